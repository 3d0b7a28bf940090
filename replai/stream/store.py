"""Samples from where they are stored: deadlines, retries and, if wanted, a second request.

fetch(rows) ─► runs of neighbours, a request each ─► size and crc32 of each sample right? ─► Read
                                                        │ no, or the store stalls, resets …
                                                        ▼
      wait (backoff with jitter), while the total deadline allows ─► the sample alone ─► Read
                                 ▲                                           │ no
                                 └───────────────────────────────────────────┘
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from replai.core import storage
from replai.core.errors import SampleError, UserError
from replai.core.index import DatasetIndex
from replai.core.seeding import generator
from replai.core.store_errors import first_line
from replai.stream.request import Hedge, S3Client, get_range, read_here
from replai.stream.retry import Patience, RetryConfig, Silence, may_pass, waits_seconds
from replai.stream.shards import ShardSizes
from replai.stream.stored import Data, Stored


class ReadError(SampleError):
    """The bytes of one sample cannot be had; with what it took to learn that."""

    def __init__(self, reason: str, seconds: float, requests: int, retries: int) -> None:
        super().__init__(reason)
        self.seconds, self.requests, self.retries = seconds, requests, retries


@dataclass(frozen=True)
class Read:
    """The bytes of one sample, and what it took to get them."""

    data: Data
    seconds: float
    requests: int
    """0 where they came with those of a neighbour."""
    retries: int
    is_cached: bool = False
    """The bytes come from the disk cache."""
    was_damaged: bool = False
    """The disk cache had other bytes; they were dropped, and these fetched."""
    warning: str = ""
    """Why the disk cache takes no more samples, if it has just come to that."""


Outcome = Read | Exception
"""A sample's bytes. A ReadError: they cannot be had in time or are not the sample's own. UserError:
what no second try can mend, a shard that is gone or not the one that was packed, a refusal, a store
that is down. Others are bugs.
"""


@dataclass(frozen=True)
class _Answer:
    """What one request gave for one sample."""

    data: Data = b""
    error: Exception | None = None
    requests: int = 0
    seconds: float = 0.0


@dataclass(frozen=True)
class _Line:
    """What is known of one of the stores that a dataset's shards are in."""

    silence: Silence
    patience: Patience


class Store:
    """Reads samples of one dataset; several reads may be under way.

    Shards on this machine are read by pread and opened for each read (keeping thousands open
    would meet the limit), others by ranged GETs.
    """

    def __init__(
        self, index: DatasetIndex, stored: Stored, retry: RetryConfig, s3_client: S3Client
    ) -> None:
        self._stored, self._retry, self._s3_client = stored, retry, s3_client
        self._is_here = all(storage.is_local(url) for url in index.shard_urls)
        self._hedge = Hedge(retry.hedge_seconds)
        hosts = [_host(url) for url in index.shard_urls]
        lines = {host: _Line(Silence(retry.most_given_up), Patience(retry.attempt_seconds))
                 for host in hosts}  # fmt: skip
        self._lines = [lines[host] for host in hosts]  # by shard
        self._shard_sizes = ShardSizes(index, retry.attempt_seconds)

    async def fetch(self, rows: Sequence[int]) -> list[Outcome]:
        """The samples of `rows`."""
        if not rows:
            return []
        started = time.monotonic()
        answers = await (self._ask_disk(rows) if self._is_here else self._ask_for_all(rows))
        in_vain = [position for position, answer in enumerate(answers) if answer.error]
        for row, answer in zip(rows, answers, strict=True):
            if not answer.error:
                self._line(row).silence.end()
        outcomes: list[Outcome] = [
            Read(answer.data, answer.seconds, answer.requests, retries=0) for answer in answers
        ]
        persisted = await asyncio.gather(
            *(self._persist(rows[p], answers[p], started) for p in in_vain), return_exceptions=True
        )
        for position, outcome in zip(in_vain, persisted, strict=True):
            if not isinstance(outcome, Read | Exception):
                raise outcome  # cancelled
            outcomes[position] = outcome
        return outcomes

    def _line(self, row: int) -> _Line:
        return self._lines[self._stored.shard_number(row)]

    async def _ask_disk(self, rows: Sequence[int]) -> list[_Answer]:
        """All at once in one thread: threads and tasks cost more than reads."""
        runs = self._stored.runs(rows)

        def read() -> list[list[_Answer]]:
            return [self._read_here([rows[position] for position in run]) for run in runs]

        try:
            async with self._deadline(rows[0]):
                return _in_place(runs, await asyncio.to_thread(read))
        except TimeoutError as error:
            return _in_place(runs, [_failed(error, 1, run) for run in runs])

    def _read_here(self, run: Sequence[int]) -> list[_Answer]:
        """As `_ask`, of a shard on this machine."""
        url, (_, start, _) = self._stored.shard_url(run[0]), self._stored.range(run[0])
        started = time.monotonic()
        try:
            data = read_here(url, start, sum(self._stored.size(row) for row in run))
        except Exception as error:
            return _failed(error, 1, run)
        return self._checked(run, data, 1, time.monotonic() - started)

    async def _ask_for_all(self, rows: Sequence[int]) -> list[_Answer]:
        runs = self._stored.runs(rows)
        return _in_place(
            runs, await asyncio.gather(*(self._ask([rows[p] for p in run]) for run in runs))
        )

    async def _ask(self, run: Sequence[int]) -> list[_Answer]:
        """One request for samples that lie side by side; the first of them counts it."""
        url, (_, start, _) = self._stored.shard_url(run[0]), self._stored.range(run[0])
        num_bytes = sum(self._stored.size(row) for row in run)
        started, num_requests = time.monotonic(), 0

        def request() -> Awaitable[bytes]:
            nonlocal num_requests
            num_requests += 1
            return get_range(url, start, num_bytes, self._s3_client)

        try:
            async with self._deadline(run[0]):
                data = await (request() if storage.is_local(url) else self._hedge.answer(request))
        except Exception as error:
            return _failed(error, num_requests, run)
        return self._checked(run, data, num_requests, time.monotonic() - started)

    @asynccontextmanager
    async def _deadline(self, row: int) -> AsyncIterator[None]:
        """For one attempt. Raises TimeoutError when it has taken too long."""
        patience = self._line(row).patience
        started, allowed = time.monotonic(), patience.seconds
        try:
            async with asyncio.timeout(allowed):
                yield
        except TimeoutError:
            patience.late(allowed)
            raise
        patience.answer(time.monotonic() - started)

    def _checked(
        self, run: Sequence[int], data: bytes, requests: int, seconds: float
    ) -> list[_Answer]:
        """What `data`, read in one request, gives for each sample of `run`; no copies."""
        answers, view, start = [], memoryview(data), 0
        for row, counted in zip(run, _counted(requests, run), strict=True):
            part = view[start : start + self._stored.size(row)]
            start += len(part)
            damage = self._stored.damage(row, part)
            error = SampleError(f"{self._stored.name(row)}: {damage}") if damage else None
            answers.append(_Answer(part, error, counted, seconds))
        return answers

    async def _persist(self, row: int, answer: _Answer, started: float) -> Read:
        """Sample `row`, whose first `answer` was an error, tried again on its own."""
        requests, retries, damaged = answer.requests, 0, False
        waits = waits_seconds(self._retry, generator(0, 0, row, "backoff"))
        while error := answer.error:
            is_damage = isinstance(error, SampleError)
            if not (is_damage or may_pass(error)):
                raise error
            wait, elapsed = next(waits), time.monotonic() - started
            # Twice the same answer: the bytes themselves are damaged.
            if elapsed + wait > self._retry.total_seconds or (is_damage and damaged):
                reason = await self._reason(row, error, retries + 1, started)
                raise ReadError(reason, elapsed, requests, retries) from error
            damaged = is_damage
            retries += 1
            await asyncio.sleep(wait)
            (answer,) = await self._ask([row])
            requests += answer.requests
        self._line(row).silence.end()
        return Read(answer.data, time.monotonic() - started, requests, retries)

    async def _reason(self, row: int, error: Exception, attempts: int, began: float) -> str:
        """Why sample `row` is given up; raises UserError where it is not the sample's fault."""
        said = first_line(error)
        if isinstance(error, SampleError):
            self._line(row).silence.end()
            await self._shard_sizes.refuse_another(self._stored.shard_number(row))
            return said
        if down := self._line(row).silence.lasts(began):
            raise UserError(f"the store of {self._stored.shard_url(row)} {down} ({said})")
        return f"{self._stored.name(row)}: given up after {attempts} attempts ({said})"


def _host(url: str) -> str:
    """Whose answers tell of `url`: a scheme with a bucket or host, or this machine."""
    return "" if storage.is_local(url) else "/".join(url.split("/", 3)[:3])


def _counted(num_requests: int, run: Sequence[int]) -> Iterator[int]:
    """The requests of a run, sample by sample."""
    return iter([num_requests] + [0] * (len(run) - 1))


def _failed(error: Exception, num_requests: int, run: Sequence[int]) -> list[_Answer]:
    return [_Answer(error=error, requests=counted) for counted in _counted(num_requests, run)]


def _in_place(runs: Sequence[Sequence[int]], answers: Sequence[Sequence[_Answer]]) -> list[_Answer]:
    """The answers of each run's samples, in the order of the rows that were asked for."""
    placed = {
        p: one
        for run, some in zip(runs, answers, strict=True)
        for p, one in zip(run, some, strict=True)
    }
    return [placed[position] for position in range(len(placed))]
