"""Where each sample of a dataset is stored, and what its bytes must be."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from zlib_ng.zlib_ng import crc32

from replai.core.index import DatasetIndex
from replai.stream.shards import first_key

Data = bytes | memoryview
"""Bytes of a sample; a part of what one request brought is not copied."""


class Stored:
    """Samples by row of the index: their ranges of bytes, and checks of what came."""

    def __init__(self, index: DatasetIndex) -> None:
        self._shard_urls = index.shard_urls
        self._shards = index.column("shard")
        self._offsets = index.column("offset")
        self._sizes = index.column("size")
        self._crc32 = index.column("crc32")
        self._keys = index.table.column("key")
        self._first_shards = np.cumsum([0, *(part.num_shards for part in index.parts)])[:-1]

    def size(self, row: int) -> int:
        """Bytes of sample `row`."""
        return int(self._sizes[row])

    def range(self, row: int) -> tuple[int, int, int]:
        """(shard, offset, size) of sample `row`."""
        return int(self._shards[row]), int(self._offsets[row]), self.size(row)

    def part_and_range(self, row: int) -> tuple[int, tuple[int, int, int]]:
        """Number of the dataset, of those mixed, that sample `row` is of, and its `range` there."""
        shard, offset, size = self.range(row)
        part = int(np.searchsorted(self._first_shards, shard, "right")) - 1
        return part, (shard - int(self._first_shards[part]), offset, size)

    def follows(self, next_row: int, row: int) -> bool:
        """Whether sample `next_row` begins where sample `row`, of the same shard, ends."""
        shard, offset, size = self.range(row)
        return self.range(next_row)[:2] == (shard, offset + size)

    def runs(self, rows: Sequence[int]) -> list[list[int]]:
        """Positions in `rows`, grouped into samples that lie side by side, in their order there."""
        runs: list[list[int]] = []
        for position in sorted(range(len(rows)), key=lambda one: self.range(rows[one])):
            if runs and self.follows(rows[position], rows[runs[-1][-1]]):
                runs[-1].append(position)
            else:
                runs.append([position])
        return runs

    def damage(self, row: int, data: Data) -> str | None:
        """What is wrong with `data` as the bytes of sample `row`; None if nothing is."""
        if len(data) != self.size(row):
            return f"{len(data)} of {self.size(row)} bytes; is the shard cut?"
        if crc32(data) != int(self._crc32[row]):
            stored = first_key(data)
            hint = f"; {stored!r} is stored there" if stored not in (None, self.key(row)) else ""
            return f"bytes do not match their crc32{hint}"
        return None

    def key(self, row: int) -> str:
        """Key of sample `row`."""
        return str(self._keys[row])

    def shard_number(self, row: int) -> int:
        """Number of the shard that holds sample `row`."""
        return int(self._shards[row])

    def shard_url(self, row: int) -> str:
        """URL of the shard that holds sample `row`."""
        return self._shard_urls[self.shard_number(row)]

    def name(self, row: int) -> str:
        """How messages call sample `row`."""
        return f"sample {self.key(row)} in {self.shard_url(row)}"
