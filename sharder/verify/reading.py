"""A shard's bytes, from front to back, each asked for once."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from replai.core import storage
from replai.core.errors import UserError
from replai.core.store_errors import naming_store_errors

CHUNK_BYTES = 8 << 20


class ShardReader:
    """Reads the file at `url` of `size` bytes in large ranges. Hashes all that it reads."""

    def __init__(self, url: str, size: int) -> None:
        self.size = size
        """Bytes of the file; fewer once it turns out to end early."""
        self.problem = ""
        """Why the store does not give what follows `at`: then the file ends there, too."""
        self.at = 0
        """Where the next `pieces` begin."""
        self._url = url
        self._chunk, self._used = b"", 0
        self._digest = hashlib.md5(usedforsecurity=False)

    @property
    def md5(self) -> str:
        """Of all bytes read; of the whole file, once `at` is `size`."""
        return self._digest.hexdigest()

    def read(self, size: int) -> bytes:
        """The next `size` bytes, fewer at the end of the file."""
        return b"".join(self.pieces(size))

    def pieces(self, size: int) -> Iterator[bytes]:
        """The next `size` bytes, piece by piece."""
        stop = min(self.at + size, self.size)
        while self.at < stop:
            if self._used == len(self._chunk) and not self._fetch():
                return
            piece = self._chunk[self._used : self._used + stop - self.at]
            self._used += len(piece)
            self.at += len(piece)
            yield piece

    def _fetch(self) -> bool:
        """Reads the next chunk; False if the file ends here."""
        try:
            with naming_store_errors(self._url):
                size = min(CHUNK_BYTES, self.size - self.at)
                self._chunk, self._used = storage.read_range(self._url, self.at, size), 0
        except UserError as error:
            self._chunk, self._used, self.problem = b"", 0, str(error)
        self._digest.update(self._chunk)
        if not self._chunk:
            self.size = self.at
        return bool(self._chunk)
