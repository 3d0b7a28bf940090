"""A table that the processes of one machine share: a file without a name, mapped by each of them.

Workers are many; an index of Ego4D's size sent to each of them would be a gigabyte a node and
seconds of their start. Sent is only where the file lies. It lies in memory, and needs no place in
TMPDIR or /dev/shm; as it has no name nothing is left of it, however its owner ends.
"""

from __future__ import annotations

import os
import weakref

import pyarrow as pa


class SharedTable:
    """The owner's end. `path` is good as long as this object is kept, in any process."""

    def __init__(self, table: pa.Table) -> None:
        self._file = os.fdopen(os.memfd_create("index"), "w+b")
        weakref.finalize(self, self._file.close)
        # One chunk a column: numpy then sees the mapped pages themselves.
        whole = table.combine_chunks()
        with pa.ipc.new_file(self._file, whole.schema) as writer:
            writer.write_table(whole)
        self._file.flush()

    @property
    def path(self) -> str:
        """How other processes of this user open the file."""
        return f"/proc/{os.getpid()}/fd/{self._file.fileno()}"


def map_table(path: str) -> pa.Table:
    """The table at a `SharedTable.path`; its pages are in memory once for all processes."""
    with pa.memory_map(path) as file:
        return pa.ipc.open_file(file).read_all()
