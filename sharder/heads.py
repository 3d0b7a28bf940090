"""What is read of a remote file while it is opened, kept in memory for the next time.

Of an MP4 that is the index of its frames: some megabytes for hours, as much as a segment.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO, cast

from replai.core import storage

MOST_BYTES = 64 << 20
"""Of all that one worker keeps."""

Pieces = dict[tuple[int, int], bytes]
"""(place, length asked for) → what was read there."""


class Head(io.RawIOBase):
    """`file`, of which reads are answered from `pieces` where these have them.

    FFmpeg opens a file by the same reads each time. Until `is_open`, all are kept.
    """

    def __init__(self, file: BinaryIO, pieces: Pieces) -> None:
        self._file, self._pieces, self._at = file, pieces, 0
        self.is_open = False

    def read(self, size: int = -1) -> bytes:
        """See io.RawIOBase."""
        data = self._pieces.get((self._at, size))
        if data is None:
            self._file.seek(self._at)
            data = self._file.read(size)
            if not self.is_open:
                self._pieces[self._at, size] = data
        self._at += len(data)
        return data

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """See io.RawIOBase."""
        before = {os.SEEK_SET: 0, os.SEEK_CUR: self._at}.get(whence)
        self._at = self._file.seek(offset, whence) if before is None else before + offset
        return self._at

    def tell(self) -> int:
        """See io.RawIOBase."""
        return self._at

    def readable(self) -> bool:
        """See io.RawIOBase."""
        return True

    def seekable(self) -> bool:
        """See io.RawIOBase."""
        return True


class Heads:
    """The heads of the sources that one worker has opened last."""

    def __init__(self) -> None:
        self._kept: dict[str, Pieces] = {}
        """By URL; the one that was used last stands last."""

    @contextmanager
    def opening(self, url: str, file: BinaryIO) -> Iterator[BinaryIO]:
        """`file`, of `url`, for the block that opens it; it may be read on afterwards."""
        if storage.is_local(url):
            yield file
            return
        head = Head(file, self._kept.pop(url, {}))
        yield cast(BinaryIO, head)
        head.is_open = True
        self._kept[url] = head._pieces
        self._shed()

    def _shed(self) -> None:
        while sum(map(_size, self._kept.values())) > MOST_BYTES:
            self._kept.pop(next(iter(self._kept)))


def _size(pieces: Pieces) -> int:
    return sum(map(len, pieces.values()))
