"""Places → bytes: one ranged read a sample, many in flight, every byte range checked by crc32."""

from __future__ import annotations

import os
import zlib
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from replai.core import storage
from replai.core.errors import SampleError, UserError
from replai.core.index import DatasetIndex
from replai.stream.plan import Place
from replai.stream.sampling import Items


@dataclass(frozen=True)
class Fetched:
    """The tar bytes of the sample for one place."""

    place: Place
    row: int
    ordinal: int
    data: bytes


class RangeReader:
    """Reads samples of one dataset by byte range; safe to use from several threads.

    Shards on this machine are opened for each read: keeping thousands open would meet the limit.
    """

    def __init__(self, index: DatasetIndex) -> None:
        self._index = index
        self._shards = index.column("shard")
        self._offsets = index.column("offset")
        self._sizes = index.column("size")
        self._crc32 = index.column("crc32")
        self._keys = index.column("key")

    def read(self, row: int) -> bytes:
        """The bytes of sample `row`. Raises SampleError if they are short or not its own."""
        shard, offset, size = int(self._shards[row]), int(self._offsets[row]), int(self._sizes[row])
        data = self._read_range(shard, offset, size)
        if len(data) != size:
            raise SampleError(f"{self._name(row)}: {len(data)} of {size} bytes; is the shard cut?")
        if zlib.crc32(data) != int(self._crc32[row]):
            raise SampleError(f"{self._name(row)}: bytes do not match their crc32")
        return data

    def _read_range(self, shard: int, offset: int, size: int) -> bytes:
        url = self._index.shard_url(shard)
        with storage.naming_store_errors(url):
            if not storage.is_local(url):
                return storage.read_range(url, offset, size)
            with storage.local_path(url).open("rb", buffering=0) as file:
                return os.pread(file.fileno(), size, offset)

    def _name(self, row: int) -> str:
        return f"sample {self._keys[row]} in {self._index.shard_url(int(self._shards[row]))}"


def fetch(
    places: Iterator[Place], index: DatasetIndex, items: Items, in_flight: int
) -> Iterator[Fetched]:
    """Fetches the sample of each place, in order, with up to `in_flight` reads under way."""
    if in_flight < 1:
        raise UserError(f"reads in flight is {in_flight}; it must be at least 1")
    reader = RangeReader(index)
    pool = ThreadPoolExecutor(in_flight, thread_name_prefix="fetch")
    pending: deque[tuple[Place, Future[bytes]]] = deque()
    try:
        for place in places:
            pending.append((place, pool.submit(reader.read, int(items.rows[place.item]))))
            if len(pending) == in_flight:
                yield _finished(pending, items)
        while pending:
            yield _finished(pending, items)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _finished(pending: deque[tuple[Place, Future[bytes]]], items: Items) -> Fetched:
    place, future = pending.popleft()
    row, ordinal = int(items.rows[place.item]), int(items.ordinals[place.item])
    return Fetched(place, row, ordinal, future.result())
