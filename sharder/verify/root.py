"""A root without its shards' content: what the files beside them say, and where they disagree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from replai.core.errors import UserError
from replai.core.index import HEADER_NAME, INDEX_NAME, Header, decode_table
from sharder.verify.energon import ENERGON_FILES, energon_faults
from sharder.verify.faults import Fault
from sharder.verify.files import RootFiles, missing
from sharder.verify.header import (
    ListedShard,
    Listing,
    count_faults,
    header_faults,
    index_fault,
    read_listing,
    rows_of_shards,
)


@dataclass(frozen=True)
class Root:
    """What is listed of a root, and all that is wrong with it before a shard is read."""

    shards: tuple[ListedShard | None, ...]
    """By number; None where shards.json does not say."""
    missing: frozenset[str]
    """Names of the listed shards, and of their offsets, that are not there."""
    table: pa.Table | None
    """The index, sorted by shard; None where there is none."""
    faults: tuple[Fault, ...]
    growing: bool = False
    """Whether something is being added; what is beyond shards.json is then no part of it."""

    def rows_of(self, number: int) -> slice | None:
        """The rows of a shard in `table`."""
        if self.table is None:
            return None
        start, stop = np.searchsorted(self._numbers, [number, number + 1]).tolist()
        return slice(start, stop)

    @cached_property
    def _numbers(self) -> NDArray[np.int32]:
        assert self.table is not None
        numbers: NDArray[np.int32] = self.table.column("shard").to_numpy()
        return numbers


def open_root(url: str) -> Root:
    """What stands at `url` beside the shards' content, checked.

    Raises UserError if there is no dataset, or one of a newer schema.
    """
    files = RootFiles(url)
    header = files.read(HEADER_NAME)
    listing = read_listing(header) if header is not None else Listing()
    table, faults = _read_index(files)
    growing = files.growing
    if growing and table is not None:
        table = _finished(table, listing.header)
    if table is not None and listing.header is not None:
        faults += header_faults(listing.header, table)
    if table is not None and listing.shards:
        faults += count_faults(listing.shards, table)
    listed = [shard for shard in listing.shards if shard is not None]
    names = [name for shard in listed for name in (shard.name, shard.idx_name)]
    gone = [name for name in names if not files.has(name)]
    faults += [missing(name) for name in gone]
    if listed and len(listed) == len(listing.shards) and not growing:
        faults += files.unlisted(names)
        faults += _energon_faults(files, listed, table)
    return Root(
        listing.shards,
        frozenset(gone),
        None if table is None else table.sort_by("shard"),
        (*files.faults, *listing.faults, *faults),
        growing,
    )


def _read_index(files: RootFiles) -> tuple[pa.Table | None, list[Fault]]:
    data = files.read(INDEX_NAME)
    if data is None:
        return None, []
    try:
        return decode_table(data), []
    except UserError as error:
        return None, [index_fault(str(error))]


def _finished(table: pa.Table, header: Header | None) -> pa.Table:
    """The rows that shards.json tells of; what is being added comes behind them."""
    told = header.num_samples if header else None
    return table.slice(0, told) if isinstance(told, int) and told >= 0 else table


def _energon_faults(
    files: RootFiles, listed: Sequence[ListedShard], table: pa.Table | None
) -> list[Fault]:
    """The counts are the index's, where there is one: one wrong number is one fault."""
    counts = {shard.name: shard.num_samples for shard in listed}
    if table is not None:
        rows = rows_of_shards(table, len(listed)).tolist()
        counts = dict(zip(counts, rows, strict=True))
    return [
        fault
        for name in ENERGON_FILES
        if (data := files.read(name)) is not None
        for fault in energon_faults(name, data, counts)
    ]
