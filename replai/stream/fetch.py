"""Places → bytes: ranged reads of samples, many in flight, within a budget of bytes."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from itertools import groupby

from replai.stream.figures import Meter
from replai.stream.plan import Place
from replai.stream.reader import RangeReader
from replai.stream.sampling import Items
from replai.stream.store import Outcome, Read, ReadError
from replai.stream.stored import Data, Stored

MOST_IN_FLIGHT = 64
"""Samples of one worker under way, however small they are."""
MOST_IN_A_GROUP = 16
GROUPS_AHEAD = 4
"""That the budget has room for: while one is decoded, the others are on their way."""


@dataclass(frozen=True)
class Fetched:
    """The tar bytes of the sample for one place."""

    place: Place
    row: int
    ordinal: int
    data: Data


@dataclass(frozen=True)
class Failed:
    """A place whose sample could not be had, and why."""

    place: Place
    row: int
    reason: str


@dataclass(frozen=True)
class Group:
    """Places of one batch whose samples are asked for at once."""

    places: list[Place]
    rows: list[int]
    num_bytes: int


def fetch(
    places: Iterator[Place], reader: RangeReader, items: Items, budget_bytes: int, meter: Meter
) -> Iterator[Fetched | Failed]:
    """Fetches the sample of each place, in order.

    Reads are started ahead as long as the samples not yet handed on fit into `budget_bytes`; two
    groups do in any case: one is on its way while the other is decoded.
    """
    pending: deque[tuple[Group, Future[list[Outcome]]]] = deque()
    ahead = under_way = 0
    try:
        for group in groups(places, reader, items, budget_bytes // GROUPS_AHEAD):
            while len(pending) > 1 and (
                ahead + group.num_bytes > budget_bytes
                or under_way + len(group.rows) > MOST_IN_FLIGHT
            ):
                ahead -= pending[0][0].num_bytes
                under_way -= len(pending[0][0].rows)
                yield from _finished(*pending.popleft(), items, meter)
            pending.append((group, reader.submit(group.rows)))
            ahead += group.num_bytes
            under_way += len(group.rows)
        while pending:
            yield from _finished(*pending.popleft(), items, meter)
    finally:
        for _, future in pending:
            future.cancel()


def groups(
    places: Iterator[Place], reader: RangeReader, items: Items, most_bytes: int
) -> Iterator[Group]:
    """Consecutive places of one batch, to be read at once: at most `MOST_IN_A_GROUP` of them.

    A group ends before the first sample that `most_bytes` have no room for, but never within a unit
    of neighbours (`Mix.unit`): that is one request, however many bytes it has.
    """
    for _, batch in groupby(places, key=lambda place: (place.epoch, place.batch)):
        yield from _groups_of_batch(batch, reader.stored, items, most_bytes)


def _groups_of_batch(
    places: Iterator[Place], stored: Stored, items: Items, most_bytes: int
) -> Iterator[Group]:
    unit = min(items.mix.unit, MOST_IN_A_GROUP)
    group, place_in_unit = Group([], [], 0), 0
    for place in places:
        row = int(items.rows[place.item])
        num_bytes = group.num_bytes + stored.size(row)
        is_neighbour = bool(group.rows) and stored.follows(row, group.rows[-1])
        place_in_unit = (place_in_unit + 1) % unit if is_neighbour else 0
        is_full = len(group.rows) + unit > MOST_IN_A_GROUP or num_bytes > most_bytes
        if group.rows and is_full and not place_in_unit:
            yield group
            group, num_bytes = Group([], [], 0), stored.size(row)
        group = Group([*group.places, place], [*group.rows, row], num_bytes)
    yield group


def fetch_one(place: Place, reader: RangeReader, items: Items, meter: Meter) -> Fetched | Failed:
    """Fetches the sample of one place, and waits for it."""
    rows = [int(items.rows[place.item])]
    (one,) = _finished(Group([place], rows, 0), reader.submit(rows), items, meter)
    return one


def _finished(
    group: Group, future: Future[list[Outcome]], items: Items, meter: Meter
) -> Iterator[Fetched | Failed]:
    started = time.perf_counter()
    try:
        outcomes = future.result()
    finally:
        meter.count(fetch_wait_seconds=time.perf_counter() - started)
    for place, row, outcome in zip(group.places, group.rows, outcomes, strict=True):
        if isinstance(outcome, ReadError):
            meter.count(failed_reads=1)
            _count_requests(outcome, meter)
            yield Failed(place, row, str(outcome))
        elif isinstance(outcome, Exception):
            raise outcome
        else:
            _count(outcome, meter)
            yield Fetched(place, row, int(items.ordinals[place.item]), outcome.data)


def _count(read: Read, meter: Meter) -> None:
    _count_requests(read, meter)
    meter.count(
        samples=1,
        bytes_read=len(read.data),
        cache_hits=read.is_cached,
        cache_bytes=len(read.data) if read.is_cached else 0,
        cache_damaged=read.was_damaged,
    )
    if read.warning:
        meter.warn(read.warning)


def _count_requests(read: Read | ReadError, meter: Meter) -> None:
    """Of this sample: none where it came with a neighbour, or from the disk cache."""
    meter.count(requests=read.requests, retries=read.retries)
    if read.requests:
        meter.note_read(read.seconds)
