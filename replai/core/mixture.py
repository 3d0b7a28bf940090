"""Several datasets read as one: the rows of their indexes one after the other, under one hash."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

import pyarrow as pa

from replai.core import storage
from replai.core.errors import UserError
from replai.core.index import DatasetIndex, Header, open_index


@dataclass(frozen=True, kw_only=True)
class WeightedRoot:
    """One dataset of a mixture."""

    root: str = "???"
    """URL of the dataset root."""
    weight: float = 0.0
    """Its share of the samples drawn, relative to the others'. 0 for all: as large as they are,
    so that every sample comes once an epoch.
    """

    def __post_init__(self) -> None:
        if not 0 <= self.weight < float("inf"):
            raise ValueError(f"weight of {self.root} is {self.weight}; it must not be negative")


def open_mixture(roots: Sequence[WeightedRoot]) -> DatasetIndex:
    """The datasets at `roots` as one, in that order; a single one is just itself.

    Raises UserError if one cannot be opened, comes twice, or only some have a weight.
    """
    urls, weights = [part.root for part in roots], [part.weight for part in roots]
    if len({storage.absolute(url).rstrip("/") for url in urls}) < len(urls):
        raise UserError(f"a dataset comes twice in {', '.join(urls)}; give it a weight instead")
    if any(weights) and not all(weights):
        missing = urls[weights.index(0.0)]
        raise UserError(f"{missing} has no weight, others have; give one to all of them or to none")
    indexes = [open_index(url) for url in urls]
    return indexes[0] if len(indexes) == 1 else _joined(indexes, weights)


def _joined(indexes: Sequence[DatasetIndex], weights: Sequence[float]) -> DatasetIndex:
    return DatasetIndex(
        root=" + ".join(index.root for index in indexes),
        header=_joined_header([index.header for index in indexes], weights),
        shard_urls=tuple(url for index in indexes for url in index.shard_urls),
        shard_sizes=tuple(size for index in indexes for size in index.shard_sizes),
        table=pa.concat_tables(_renumbered(indexes)),
        parts=tuple(
            replace(part, weight=weight)
            for index, weight in zip(indexes, weights, strict=True)
            for part in index.parts
        ),
    )


def _renumbered(indexes: Sequence[DatasetIndex]) -> list[pa.Table]:
    """Their tables, with the shards numbered through."""
    tables, first = [], 0
    for index in indexes:
        place = index.table.schema.get_field_index("shard")
        field = index.table.schema.field(place)
        numbers = pa.array(index.column("shard") + first, field.type)
        tables.append(index.table.set_column(place, field, numbers))
        first += len(index.shard_urls)
    return tables


def _joined_header(headers: Sequence[Header], weights: Sequence[float]) -> Header:
    parts = zip(headers, weights, strict=True)
    told = [f"{header.dataset_hash} {weight!r}" for header, weight in parts]
    return Header(
        schema_version=headers[0].schema_version,
        profile="; ".join(dict.fromkeys(header.profile for header in headers)),
        margin_seconds=min(header.margin_seconds for header in headers),
        num_samples=sum(header.num_samples for header in headers),
        num_moments=sum(header.num_moments for header in headers),
        num_actions=sum(header.num_actions for header in headers),
        dataset_hash=hashlib.sha256("\n".join(told).encode()).hexdigest(),
        verbs={},  # class ids mean different things in different datasets
        nouns={},
    )
