"""Samples by row of the index, from the disk cache or from where they are stored.

    submit(rows) ─► cache ─► store ─► cache ─► Outcome of each
                      └── kept there, size and crc32 right ──► Read

All requests of a process run on fsspec's own event loop, so many can be in flight at once.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import replace
from typing import Any

from fsspec.asyn import get_loop

from replai.core import storage
from replai.core.index import DatasetIndex
from replai.stream.cache import DiskCache, sample_name
from replai.stream.request import S3Client
from replai.stream.retry import RetryConfig
from replai.stream.store import Outcome, Read, Store
from replai.stream.stored import Data, Stored


class RangeReader:
    """Reads samples of one dataset by byte range; several reads may be under way."""

    def __init__(
        self,
        index: DatasetIndex,
        retry: RetryConfig,
        caches: Sequence[DiskCache] = (),
        s3_client: S3Client = S3Client.s3fs,
    ) -> None:
        """`caches`: of each dataset of `index`, or none."""
        self._from = (index, retry, caches, s3_client)
        self.stored = Stored(index)
        self._store = Store(index, self.stored, retry, s3_client)
        self._caches, self._keeps = caches, bool(caches)

    def __reduce__(self) -> tuple[Any, ...]:
        """Travels to workers as its index alone, which goes there anyway; not its columns."""
        return (RangeReader, self._from)

    def submit(self, rows: Sequence[int]) -> Future[list[Outcome]]:
        """Starts reading the samples of `rows`; those that lie side by side, with one request."""
        return asyncio.run_coroutine_threadsafe(self._read(rows), get_loop())

    def read(self, row: int) -> Read:
        """Sample `row`, waited for. Raises what `submit` gives as an outcome."""
        (outcome,) = self.submit([row]).result()
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    async def _read(self, rows: Sequence[int]) -> list[Outcome]:
        if not self._caches:
            return await self._store.fetch(rows)
        started = time.monotonic()
        kept = await asyncio.to_thread(self._kept, rows)
        seconds = time.monotonic() - started
        outcomes: list[Outcome] = [
            Read(data or b"", seconds, 0, 0, is_cached=True) for data in kept
        ]
        missing = [position for position, data in enumerate(kept) if not data]
        fetched = await self._store.fetch([rows[position] for position in missing])
        warning = ""
        if missing and self._keeps:
            come = [one.data if isinstance(one, Read) else None for one in fetched]
            warning = await asyncio.to_thread(self._keep, [rows[p] for p in missing], come)
        for position, outcome in zip(missing, fetched, strict=True):
            if isinstance(outcome, Read):
                was_damaged = kept[position] is not None
                outcome = replace(outcome, was_damaged=was_damaged, warning=warning)
                warning = ""  # is told once
            outcomes[position] = outcome
        return outcomes

    def _kept(self, rows: Sequence[int]) -> list[bytes | None]:
        """What the cache has: None where it has nothing, b"" where that was damaged."""
        return [None if self._is_here(row) else self._kept_one(row) for row in rows]

    def _is_here(self, row: int) -> bool:
        """Whether the sample is read from this machine anyway: of a mixture, some may be."""
        return storage.is_local(self.stored.shard_url(row))

    def _kept_one(self, row: int) -> bytes | None:
        cache, name = self._kept_as(row)
        data = cache.get(name, self.stored.size(row))
        if data is not None and self.stored.damage(row, data):
            cache.drop(name)
            return b""
        return data

    def _keep(self, rows: Sequence[int], come: Sequence[Data | None]) -> str:
        """Gives to the cache what has come; returns a warning if it takes no more, the first time.

        All at once: threads cost more than writes.
        """
        for row, data in zip(rows, come, strict=True):
            if data is None or not self._keeps or self._is_here(row):
                continue
            cache, name = self._kept_as(row)
            try:
                cache.put(name, data)
            except OSError as error:
                is_first, self._keeps = self._keeps, False  # reads under way may all meet it
                why = error.strerror or error
                told = f"the disk cache in {cache.folder} takes no more samples: {why}"
                return told if is_first else ""
        return ""

    def _kept_as(self, row: int) -> tuple[DiskCache, str]:
        """The cache of the dataset of sample `row`, and its name there."""
        part, range_there = self.stored.part_and_range(row)
        return self._caches[part], sample_name(*range_there)
