"""shards.json: what it says, and whether it agrees with itself and with the index."""

from __future__ import annotations

import json
import reprlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from replai.core import storage
from replai.core.errors import UserError
from replai.core.index import HEADER_NAME, INDEX_NAME, Header, dataset_hash
from replai.core.record import READABLE_VERSIONS
from sharder.verify.faults import Fault, Kind

WIDS_KIND = "wids-shard-index-v1"


@dataclass(frozen=True, kw_only=True)
class ListedShard:
    """What shards.json says of a shard."""

    name: str
    num_samples: int
    size: int
    md5: str

    @property
    def idx_name(self) -> str:
        """Path of its offsets below the root."""
        return f"{self.name}.idx"


@dataclass(frozen=True)
class Listing:
    """The content of shards.json, as far as it could be read."""

    shards: tuple[ListedShard | None, ...] = ()
    """By number; None for an entry that is none."""
    header: Header | None = None
    faults: tuple[Fault, ...] = ()


def read_listing(data: bytes) -> Listing:
    """What the bytes of shards.json say, and each thing wrong with them alone.

    Raises UserError if they are of a newer schema: that is no fault of the dataset.
    """
    try:
        fields = json.loads(data)
    except (ValueError, RecursionError) as error:
        return Listing(faults=(_fault("JSON", f"none ({error})"),))
    if not isinstance(fields, dict):
        return Listing(faults=(_fault("a JSON object", f"a {type(fields).__name__}"),))
    faults = []
    if fields.get("__kind__") != WIDS_KIND:
        faults.append(_fault(f"__kind__ {WIDS_KIND}", reprlib.repr(fields.get("__kind__"))))
    header, header_fault = _header(fields.get("replai"))
    shards, shard_faults = _shards(fields.get("shardlist"))
    return Listing(shards, header, (*faults, *header_fault, *shard_faults))


def _header(ours: object) -> tuple[Header | None, list[Fault]]:
    if not isinstance(ours, dict):
        return None, [_fault("our header under `replai`", "none")]
    version = ours.get("schema_version")
    readable = " or ".join(map(str, READABLE_VERSIONS))
    if isinstance(version, int) and version > max(READABLE_VERSIONS):
        raise UserError(
            f"the dataset has schema version {version}, this software reads {readable}; "
            "verify it with a newer one"
        )
    if version not in READABLE_VERSIONS:
        return None, [_fault(f"schema_version {readable}", reprlib.repr(version))]
    try:
        return Header(**ours), []
    except TypeError as error:
        return None, [_fault("a header's fields under `replai`", str(error))]


def _shards(entries: object) -> tuple[tuple[ListedShard | None, ...], list[Fault]]:
    if not isinstance(entries, list) or not entries:
        return (), [_fault("a list of shards under `shardlist`", "none")]
    shards: list[ListedShard | None] = []
    faults: list[Fault] = []
    names: set[str] = set()
    for number, entry in enumerate(entries):
        try:
            shard = _shard(entry)
            if shard.name in names:
                raise ValueError(f"{shard.name!r} for the second time")
            names.add(shard.name)
            shards.append(shard)
        except (KeyError, TypeError, ValueError, UserError) as error:
            shards.append(None)
            expected = f"url, nsamples, filesize and md5sum of shard {number}"
            faults.append(_fault(expected, f"{type(error).__name__} {error}"))
    return tuple(shards), faults


def _shard(entry: Any) -> ListedShard:
    shard = ListedShard(
        name=entry["url"],
        num_samples=entry["nsamples"],
        size=entry["filesize"],
        md5=entry["md5sum"],
    )
    for value, kind in (
        (shard.name, str), (shard.num_samples, int), (shard.size, int), (shard.md5, str),
    ):  # fmt: skip
        if not isinstance(value, kind):
            raise TypeError(f"{reprlib.repr(value)} is no {kind.__name__}")
    storage.join("", shard.name)  # it stays below the root
    return shard


def header_faults(header: Header, table: pa.Table) -> Iterator[Fault]:
    """Where the header's counts and hash differ from the index `table`."""
    indexed = {
        "num_samples": table.num_rows,
        "num_moments": pc.sum(table.column("num_moments"), min_count=0).as_py(),
        "num_actions": pc.sum(table.column("num_actions"), min_count=0).as_py(),
        "dataset_hash": dataset_hash(table),
    }
    for name, value in indexed.items():
        if getattr(header, name) != value:
            expected = f"{name} {value}, by {INDEX_NAME}"
            yield _fault(expected, reprlib.repr(getattr(header, name)))


def count_faults(shards: Sequence[ListedShard | None], table: pa.Table) -> Iterator[Fault]:
    """Rows of shards that are not listed, shards of another number of rows, keys given twice."""
    numbers = table.column("shard").to_numpy()
    unlisted = int(((numbers < 0) | (numbers >= len(shards))).sum())
    if unlisted:
        expected = f"shard numbers below {len(shards)}, as many as {HEADER_NAME} lists"
        yield _index_fault(expected, f"{unlisted} rows of others")
    counts = rows_of_shards(table, len(shards))
    for shard, count in zip(shards, counts.tolist(), strict=True):
        if shard is not None and shard.num_samples != count:
            expected = f"nsamples {count} of {shard.name}, by {INDEX_NAME}"
            yield _fault(expected, str(shard.num_samples))
    keys = pc.value_counts(table.column("key").combine_chunks())
    for one in keys.filter(pc.greater(keys.field("counts"), 1)).to_pylist():
        yield Fault(
            kind=Kind.KEY,
            file=INDEX_NAME,
            key=one["values"],
            expected="each key once",
            found=f"{one['counts']} rows",
        )


def rows_of_shards(table: pa.Table, num_shards: int) -> NDArray[np.int64]:
    """How many rows of the index each of the first `num_shards` shards has; int64 [num_shards]."""
    numbers = table.column("shard").to_numpy()
    counted = numbers[(numbers >= 0) & (numbers < num_shards)]
    return np.bincount(counted, minlength=num_shards)


def index_fault(reason: str) -> Fault:
    """That index.parquet is no index, for `reason`."""
    return _index_fault("the index's columns and rows", reason)


def _fault(expected: str, found: str) -> Fault:
    return Fault(kind=Kind.HEADER, file=HEADER_NAME, expected=expected, found=found)


def _index_fault(expected: str, found: str) -> Fault:
    return Fault(kind=Kind.INDEX, file=INDEX_NAME, expected=expected, found=found)
