"""Byte ranges of samples, each with deadlines, retries and, if wanted, a second request.

    submit(row) ─► cache ─► attempt ─► size and crc32 right? ─► cache ─► Read
                     │        ▲ no, or the store stalls, resets, throttles
                     │        └── wait (backoff with jitter), while the total deadline allows
                     └── kept there, size and crc32 right ─────────────► Read

All requests of a process run on fsspec's own event loop, so many can be in flight at once.
"""

from __future__ import annotations

import asyncio
import time
import zlib
from collections.abc import Awaitable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, replace
from typing import Any

from fsspec.asyn import get_loop

from replai.core import storage
from replai.core.errors import SampleError, UserError
from replai.core.index import DatasetIndex
from replai.core.seeding import generator
from replai.stream.cache import DiskCache, sample_name
from replai.stream.request import Hedge, S3Client, get_range
from replai.stream.retry import RetryConfig, Silence, may_pass, waits_seconds
from replai.stream.shards import ShardSizes, first_key


class ReadError(SampleError):
    """The bytes of one sample cannot be had; with what it took to learn that."""

    def __init__(self, reason: str, seconds: float, requests: int, retries: int) -> None:
        super().__init__(reason)
        self.seconds, self.requests, self.retries = seconds, requests, retries


@dataclass(frozen=True)
class Read:
    """The bytes of one sample, and what it took to get them."""

    data: bytes
    seconds: float
    requests: int
    retries: int
    is_cached: bool = False
    """The bytes come from the disk cache."""
    was_damaged: bool = False
    """The disk cache had other bytes; they were dropped, and these fetched."""
    warning: str = ""
    """Why the disk cache takes no more samples, if it has just come to that."""


class RangeReader:
    """Reads samples of one dataset by byte range; several reads may be under way.

    Shards on this machine are read by pread and opened for each read (keeping thousands open
    would meet the limit), others by ranged GETs, unless `cache` has the bytes.
    """

    def __init__(
        self,
        index: DatasetIndex,
        retry: RetryConfig,
        cache: DiskCache | None = None,
        s3_client: S3Client = S3Client.s3fs,
    ) -> None:
        self._index, self._retry, self._cache, self._s3_client = index, retry, cache, s3_client
        self._keeps = cache is not None
        self._shards = index.column("shard")
        self._offsets = index.column("offset")
        self._sizes = index.column("size")
        self._crc32 = index.column("crc32")
        self._keys = index.table.column("key")
        self._hedge = Hedge(retry.hedge_seconds)
        self._silence = Silence(retry.most_given_up)
        self._shard_sizes = ShardSizes(index, retry.attempt_seconds)

    def __reduce__(self) -> tuple[Any, ...]:
        """Travels to workers as its index alone, which goes there anyway; not its columns."""
        return (RangeReader, (self._index, self._retry, self._cache, self._s3_client))

    def size(self, row: int) -> int:
        """Bytes of sample `row`."""
        return int(self._sizes[row])

    def submit(self, row: int) -> Future[Read]:
        """Starts reading sample `row`.

        The future raises ReadError if the bytes cannot be had in time or are not the sample's
        own, and UserError for what no second try can mend: a shard that is gone or not the one
        that was packed, a refusal, a store that is down.
        """
        return asyncio.run_coroutine_threadsafe(self._read(row), get_loop())

    async def _read(self, row: int) -> Read:
        if self._cache is None:
            return await self._fetch(row)
        started, name = time.monotonic(), sample_name(*self._range(row))
        data = await asyncio.to_thread(self._cache.get, name, self.size(row))
        if data is not None and self._damage(row, data) is None:
            return Read(data, time.monotonic() - started, 0, 0, is_cached=True)
        if data is not None:
            await asyncio.to_thread(self._cache.drop, name)
        read = await self._fetch(row)
        warning = await self._keep(self._cache, name, read.data)
        return replace(read, was_damaged=data is not None, warning=warning)

    async def _keep(self, cache: DiskCache, name: str, data: bytes) -> str:
        """Gives `data` to the cache; returns a warning when it takes no more, the first time."""
        if not self._keeps:
            return ""
        try:
            await asyncio.to_thread(cache.put, name, data)
            return ""
        except OSError as error:
            is_first, self._keeps = self._keeps, False  # reads under way may all meet it
            told = (
                f"the disk cache in {cache.folder} takes no more samples: {error.strerror or error}"
            )
            return told if is_first else ""

    async def _fetch(self, row: int) -> Read:
        started, requests = time.monotonic(), _Counter()
        retries, damaged = 0, False
        waits: Iterator[float] | None = None
        while True:
            try:
                data = await self._attempt(row, requests)
                self._silence.end()
                return Read(data, time.monotonic() - started, requests.count, retries)
            except Exception as error:
                is_damage = isinstance(error, SampleError)
                if not (is_damage or may_pass(error)):
                    raise
                waits = waits or waits_seconds(self._retry, generator(0, 0, row, "backoff"))
                wait = next(waits)
                elapsed = time.monotonic() - started
                # Twice the same answer: the bytes themselves are damaged.
                if elapsed + wait > self._retry.total_seconds or (is_damage and damaged):
                    reason = await self._reason(row, error, retries + 1, elapsed)
                    raise ReadError(reason, elapsed, requests.count, retries) from error
                damaged = is_damage
            retries += 1
            await asyncio.sleep(wait)

    async def _reason(self, row: int, error: Exception, attempts: int, seconds: float) -> str:
        """Why sample `row` is given up; raises UserError where it is not the sample's fault."""
        said = (str(error).strip() or type(error).__name__).splitlines()[0]
        if isinstance(error, SampleError):
            self._silence.end()
            await self._shard_sizes.refuse_another(int(self._shards[row]))
            return said
        if down := self._silence.lasts(seconds):
            raise UserError(f"the store of {self.shard_name(row)} {down} ({said})")
        return f"{self.name(row)}: given up after {attempts} attempts ({said})"

    async def _attempt(self, row: int, requests: _Counter) -> bytes:
        shard, offset, size = self._range(row)
        url = self._index.shard_urls[shard]

        def request() -> Awaitable[bytes]:
            requests.count += 1
            return get_range(url, offset, size, self._s3_client)

        async with asyncio.timeout(self._retry.attempt_seconds):
            data = await (request() if storage.is_local(url) else self._hedge.answer(request))
        if damage := self._damage(row, data):
            raise SampleError(f"{self.name(row)}: {damage}")
        return data

    def _range(self, row: int) -> tuple[int, int, int]:
        """(shard, offset, size) of sample `row`."""
        return int(self._shards[row]), int(self._offsets[row]), self.size(row)

    def _damage(self, row: int, data: bytes) -> str | None:
        """What is wrong with `data` as the bytes of sample `row`; None if nothing is."""
        if len(data) != self.size(row):
            return f"{len(data)} of {self.size(row)} bytes; is the shard cut?"
        if zlib.crc32(data) != int(self._crc32[row]):
            stored = first_key(data)
            hint = f"; {stored!r} is stored there" if stored not in (None, self.key(row)) else ""
            return f"bytes do not match their crc32{hint}"
        return None

    def name(self, row: int) -> str:
        """How messages call sample `row`."""
        return f"sample {self.key(row)} in {self.shard_name(row)}"

    def key(self, row: int) -> str:
        """Key of sample `row`."""
        return str(self._keys[row])

    def shard_name(self, row: int) -> str:
        """URL of the shard that holds sample `row`."""
        return self._index.shard_urls[int(self._shards[row])]


@dataclass
class _Counter:
    count: int = 0
