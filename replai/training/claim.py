"""One run at a time in a run's folder."""

from __future__ import annotations

import errno
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from io import FileIO
from pathlib import Path

from replai.core.errors import UserError
from replai.core.file_lock import HeldError, hold, is_at
from replai.core.store_errors import naming_store_errors
from replai.training.ranks import Ranks

LOCK_NAME = ".lock"
WAIT_SECONDS = 120.0
"""For one that is about to end, as a job that was requeued, and for what NFS keeps of a node that
died (90 s by default)."""
_NO_LOCKS = {errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS}
"""What file systems without locks say; there nothing is refused."""


@contextmanager
def claimed(folder: Path, ranks: Ranks, timeout_seconds: float) -> Iterator[None]:
    """Holds `folder` for the ranks of this run, however it ends; all begin once the first has it.

    Where nothing else was written, the folder goes with the claim. Raises UserError if another run
    holds it for longer than `WAIT_SECONDS`, or half of the `timeout_seconds` after which the other
    ranks give up.
    """
    if not ranks.is_first:
        ranks.agree(LOCK_NAME)
        yield
        return
    with ExitStack() as stack:
        with naming_store_errors(str(folder)):
            file = _held(folder, min(WAIT_SECONDS, timeout_seconds / 2))
        if file is not None:
            stack.enter_context(file)
            stack.callback(_leave, file, folder)
        ranks.agree(LOCK_NAME)
        yield


def _leave(file: FileIO, folder: Path) -> None:
    with suppress(OSError):
        if is_at(file, folder / LOCK_NAME):
            (folder / LOCK_NAME).unlink()
            folder.rmdir()


def _held(folder: Path, wait_seconds: float) -> FileIO | None:
    """The lock file, held; None where the file system knows no locks."""
    path, give_up_at, has_said = folder / LOCK_NAME, time.monotonic() + wait_seconds, False
    while True:
        try:
            return hold(path)
        except HeldError as error:
            other = str(error) or "a process"
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise
            return None
        if time.monotonic() > give_up_at:
            raise UserError(
                f"another run ({other}) writes to {folder}; wait for its end, or give another out; "
                f"if that process is gone, remove {path}"
            )
        if not has_said:
            print(f"waiting for another run ({other}) to leave {folder}", flush=True)
        has_said = True
        time.sleep(min(1.0, wait_seconds))
