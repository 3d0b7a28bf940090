"""Places → bytes: one ranged read a sample, many in flight, within a budget of bytes."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import dataclass

from replai.stream.figures import Meter
from replai.stream.plan import Place
from replai.stream.reader import RangeReader, Read, ReadError
from replai.stream.sampling import Items

MOST_IN_FLIGHT = 64
"""Requests of one worker under way, however small they are."""


@dataclass(frozen=True)
class Fetched:
    """The tar bytes of the sample for one place."""

    place: Place
    row: int
    ordinal: int
    data: bytes


@dataclass(frozen=True)
class Failed:
    """A place whose sample could not be had, and why."""

    place: Place
    row: int
    reason: str


def fetch(
    places: Iterator[Place], reader: RangeReader, items: Items, budget_bytes: int, meter: Meter
) -> Iterator[Fetched | Failed]:
    """Fetches the sample of each place, in order.

    Reads are started ahead as long as the samples not yet handed on fit into `budget_bytes`; one
    is always under way. The first is handed on as soon as it is there.
    """
    pending: deque[tuple[Place, int, Future[Read]]] = deque()
    ahead = 0
    try:
        for place in places:
            row = int(items.rows[place.item])
            while pending and (
                ahead + reader.size(row) > budget_bytes or len(pending) >= MOST_IN_FLIGHT
            ):
                ahead -= reader.size(pending[0][1])
                yield _finished(pending, items, meter)
            pending.append((place, row, reader.submit(row)))
            ahead += reader.size(row)
        while pending:
            yield _finished(pending, items, meter)
    finally:
        for _, _, future in pending:
            future.cancel()


def fetch_one(place: Place, reader: RangeReader, items: Items, meter: Meter) -> Fetched | Failed:
    """Fetches the sample of one place, and waits for it."""
    row = int(items.rows[place.item])
    return _finished(deque([(place, row, reader.submit(row))]), items, meter)


def _finished(
    pending: deque[tuple[Place, int, Future[Read]]], items: Items, meter: Meter
) -> Fetched | Failed:
    place, row, future = pending.popleft()
    started = time.perf_counter()
    try:
        read = future.result()
    except ReadError as error:
        meter.count(failed_reads=1, requests=error.requests, retries=error.retries)
        meter.note_read(error.seconds)
        return Failed(place, row, str(error))
    finally:
        meter.count(fetch_wait_seconds=time.perf_counter() - started)
    meter.count(
        samples=1,
        requests=read.requests,
        retries=read.retries,
        bytes_read=len(read.data),
        cache_hits=read.is_cached,
        cache_bytes=len(read.data) if read.is_cached else 0,
        cache_damaged=read.was_damaged,
    )
    meter.note_read(read.seconds, read.warning)
    return Fetched(place, row, int(items.ordinals[place.item]), read.data)
