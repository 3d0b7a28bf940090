"""The samples found in a tar against the rows that the index has for it: pure functions."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from replai.core.record import SampleRecord
from sharder.shards import IndexRow
from sharder.verify.faults import Fault, Kind
from sharder.verify.members import Damage, TarSample


@dataclass(frozen=True)
class Found:
    """A sample as the tar has it; `record` is None where its JSON is not one."""

    sample: TarSample
    record: SampleRecord | None
    faults: tuple[Fault, ...]
    """Of the sample itself."""


_ALIKE: tuple[Callable[[TarSample | IndexRow], Hashable], ...] = (
    lambda one: (one.key, one.offset),
    lambda one: one.key,
    lambda one: one.offset,
)
"""A sample and a row belong together if they agree in key and offset, else in one of them."""


def shard_faults(
    shard: str, found: Sequence[Found], damages: Sequence[Damage], rows: Sequence[IndexRow] | None
) -> list[Fault]:
    """All faults of what was read of `shard`, given its rows of the index; None: no index.

    What damage has hit is named once, with the damage.
    """
    lost = {id(row): damage for row in rows or () for damage in damages if _hits(damage, row)}
    lost_keys = {row.key for row in rows or () if id(row) in lost}
    faults = [_damage_fault(shard, d, rows or (), lost) for d in damages]
    whole = [one for one in found if one.sample.key not in lost_keys]
    faults += [fault for one in whole for fault in one.faults]
    if rows is not None:
        faults += _row_faults(shard, whole, [row for row in rows if id(row) not in lost])
    return sorted(faults, key=lambda fault: -1 if fault.offset is None else fault.offset)


def _hits(damage: Damage, row: IndexRow) -> bool:
    return row.offset < damage.stop and damage.offset < row.offset + row.size


def _damage_fault(
    shard: str, damage: Damage, rows: Sequence[IndexRow], lost: dict[int, Damage]
) -> Fault:
    keys = [row.key for row in rows if lost.get(id(row)) is damage]
    others = f"; {len(keys) - 1} more samples lost" if len(keys) > 1 else ""
    return Fault(
        kind=damage.kind,
        file=shard,
        key=keys[0] if keys else "",
        offset=damage.offset,
        expected=damage.expected,
        found=damage.found + others,
    )


def _row_faults(shard: str, found: Sequence[Found], rows: Sequence[IndexRow]) -> Iterator[Fault]:
    pairs, samples_alone, rows_alone = _paired(found, rows)
    for one, row in pairs:
        for kind, expected, actual in _differences(one, row):
            yield _at(one.sample, shard, kind, expected, actual)
    for one in samples_alone:
        yield _at(one.sample, shard, Kind.RANGE, "a row of the index for it", "none")
    for row in rows_alone:
        yield _at(row, shard, Kind.RANGE, f"a sample in {_bytes(row)}, by the index", "none")


def _at(one: TarSample | IndexRow, shard: str, kind: Kind, expected: str, found: str) -> Fault:
    return Fault(
        kind=kind, file=shard, key=one.key, offset=one.offset, expected=expected, found=found
    )


def _paired(
    found: Iterable[Found], rows: Iterable[IndexRow]
) -> tuple[list[tuple[Found, IndexRow]], list[Found], list[IndexRow]]:
    """(pairs, samples without a row, rows without a sample)."""
    pairs: list[tuple[Found, IndexRow]] = []
    samples_left, rows_left = list(found), list(rows)
    for mark in _ALIKE:
        waiting: dict[Hashable, list[IndexRow]] = defaultdict(list)
        for row in rows_left:
            waiting[mark(row)].append(row)
        unpaired = []
        for one in samples_left:
            if waiting[mark(one.sample)]:
                pairs.append((one, waiting[mark(one.sample)].pop(0)))
            else:
                unpaired.append(one)
        samples_left = unpaired
        rows_left = [row for group in waiting.values() for row in group]
    return pairs, samples_left, rows_left


def _differences(one: Found, row: IndexRow) -> Iterator[tuple[Kind, str, str]]:
    """(kind, by the index, by the tar) of each difference."""
    sample = one.sample
    if row.key != sample.key:
        yield Kind.KEY, f"{row.key!r}, by the index", f"{sample.key!r}"
    if (row.offset, row.size) != (sample.offset, sample.size):
        yield Kind.RANGE, f"{_bytes(row)}, by the index", _bytes(sample)
    elif row.crc32 != sample.crc32:
        yield Kind.CRC32, f"{row.crc32:08x}, by the index", f"{sample.crc32:08x}"
    if one.record is not None:
        for name, found in _facts(one.record).items():
            if getattr(row, name) != found:
                yield Kind.RECORD, f"{name} {getattr(row, name)!r}, by the index", f"{found!r}"


def _facts(record: SampleRecord) -> dict[str, object]:
    """What the index says of a sample's record."""
    return {
        "video_id": record.video_id,
        "start_seconds": record.start_seconds,
        "duration_seconds": record.duration_seconds,
        "num_moments": len(record.moments),
        "num_actions": len(record.actions),
        "has_audio": record.has_audio,
    }


def _bytes(one: TarSample | IndexRow) -> str:
    return f"bytes {one.offset} to {one.offset + one.size}"
