"""One shard, read from front to back: the work of one process at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa

from replai.core import storage
from replai.core.errors import UserError
from replai.core.shared_table import map_table
from sharder.shards import IndexRow
from sharder.verify.faults import Fault, Kind
from sharder.verify.files import unreadable
from sharder.verify.header import ListedShard
from sharder.verify.members import TO_THE_END, Damage, TarSample, read_samples
from sharder.verify.offsets import offset_faults
from sharder.verify.reading import ShardReader
from sharder.verify.rows import Found, shard_faults
from sharder.verify.sample import LARGEST_BYTES, media_complaints, record_of


@dataclass(frozen=True, kw_only=True)
class ShardTask:
    """A shard to be read."""

    listed: ListedShard
    first_sample: int
    """Number, in the dataset, of its first sample."""
    rows: slice | None
    """Its rows of the shared table; None where there is no index."""
    has_idx: bool
    """Whether its offsets are there."""


@dataclass(frozen=True, kw_only=True)
class ShardOutcome:
    """What was read of a shard, and what is wrong with it."""

    num_samples: int = 0
    num_decoded: int = 0
    num_bytes: int = 0
    faults: tuple[Fault, ...] = ()


def verify_shard(
    task: ShardTask, root: str, table_path: str | None, decode_every: int
) -> ShardOutcome:
    """All checks of one shard: size, md5, members, records, index rows, offsets.

    Holds one sample in memory, and facts of the others.
    """
    listed = task.listed
    url = storage.join(root, listed.name)
    try:
        reader = ShardReader(url, storage.file_size(url))
    except UserError as error:
        return ShardOutcome(faults=(unreadable(listed.name, error),))
    found, damages = _walk(reader, listed.name, task.first_sample, decode_every)
    rows = _rows(table_path, task.rows)
    faults = [
        *_file_faults(listed, reader, damages),
        *_count_faults(listed, found, damages, rows),
        *shard_faults(listed.name, [one for one, _ in found], damages, rows),
    ]
    if task.has_idx:
        faults += _idx_faults(root, listed, [one.sample for one, _ in found], damages)
    return ShardOutcome(
        num_samples=len(found),
        num_decoded=sum(decoded for _, decoded in found),
        num_bytes=reader.at,
        faults=tuple(faults),
    )


def _walk(
    reader: ShardReader, shard: str, first_sample: int, decode_every: int
) -> tuple[list[tuple[Found, bool]], list[Damage]]:
    """The samples, each with whether it was decoded, and the damage between them."""

    def is_decoded(i: int) -> bool:
        return decode_every > 0 and (first_sample + i) % decode_every == 0

    def is_wanted(i: int, kind: str, size: int) -> bool:
        return size <= LARGEST_BYTES.get(kind, -1) and (kind == "json" or is_decoded(i))

    found: list[tuple[Found, bool]] = []
    damages: list[Damage] = []
    for one in read_samples(reader, is_wanted):
        if isinstance(one, Damage):
            damages.append(one)
        else:
            found.append(_examined(one, shard, decode=is_decoded(len(found))))
    if reader.problem:
        damages = [damage for damage in damages if damage.stop < TO_THE_END]
        damages.append(_unread(reader))
    return found, damages


def _unread(reader: ShardReader) -> Damage:
    return Damage(
        offset=reader.at,
        stop=TO_THE_END,
        expected="bytes that can be read",
        found=reader.problem,
        kind=Kind.UNREADABLE,
    )


def _examined(sample: TarSample, shard: str, *, decode: bool) -> tuple[Found, bool]:
    record, complaints = record_of(sample)
    if decode and record is not None:
        complaints += media_complaints(sample, record)
    sample.contents.clear()
    faults = tuple(
        Fault(
            kind=kind, file=shard, key=sample.key, offset=sample.offset, expected=expected,
            found=found,
        )
        for kind, expected, found in complaints
    )  # fmt: skip
    return Found(sample, record, faults), decode and record is not None


def _rows(table_path: str | None, rows: slice | None) -> list[IndexRow] | None:
    if table_path is None or rows is None:
        return None
    table: pa.Table = map_table(table_path).slice(rows.start, rows.stop - rows.start)
    return [IndexRow(**row) for row in table.drop_columns(["shard"]).to_pylist()]


def _file_faults(
    listed: ListedShard, reader: ShardReader, damages: Sequence[Damage]
) -> list[Fault]:
    """Of the size, else of the md5sum: bytes of another number have another sum anyhow."""
    if any(damage.kind is Kind.UNREADABLE for damage in damages):
        return []
    kind, expected, found = Kind.MD5, listed.md5, reader.md5
    if listed.size != reader.size:
        kind, expected, found = Kind.SIZE, f"{listed.size} bytes", f"{reader.size} bytes"
    if expected == found:
        return []
    expected += ", by shards.json"
    return [Fault(kind=kind, file=listed.name, expected=expected, found=found)]


def _count_faults(
    listed: ListedShard,
    found: Sequence[object],
    damages: Sequence[Damage],
    rows: Sequence[IndexRow] | None,
) -> list[Fault]:
    """Of the number of samples, where there is no index whose rows would tell."""
    if rows is not None or damages or listed.num_samples == len(found):
        return []
    expected = f"{listed.num_samples} samples, by shards.json"
    return [
        Fault(kind=Kind.RANGE, file=listed.name, expected=expected, found=f"{len(found)} samples")
    ]


def _idx_faults(
    root: str, listed: ListedShard, samples: Sequence[TarSample], damages: Sequence[Damage]
) -> list[Fault]:
    """Of the `.tar.idx`; where the tar is damaged, only whether it can be read."""
    try:
        data = storage.read_bytes(storage.join(root, listed.idx_name))
    except UserError as error:
        return [unreadable(listed.idx_name, error)]
    if damages or not samples:
        return []
    ends = [one.offset for one in samples] + [samples[-1].offset + samples[-1].size]
    return offset_faults(listed.idx_name, data, ends)
