"""One worker's part of the work, as a WebDataset pipeline.

plan ─► fetch ─► unpack ─► decode ─► spares ─► collate
Place   Fetched  Unpacked  Decoded   Filled    AVBatch, in a Parcel    (or Failed, up to the spares)
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
import webdataset as wds
from torch.utils.data import get_worker_info

from replai.core.errors import UserError
from replai.core.index import DatasetIndex
from replai.stream.blocks import Blocks
from replai.stream.cache import DiskCache
from replai.stream.collate import AVBatch, Parcel, collate
from replai.stream.decode import DecodeConfig, Decoded, decode_sample
from replai.stream.fetch import Failed, fetch, fetch_one
from replai.stream.figures import Meter
from replai.stream.plan import (
    Place,
    StreamState,
    covering_places,
    local_batch_size,
    training_places,
)
from replai.stream.reader import RangeReader
from replai.stream.request import S3Client
from replai.stream.retry import RetryConfig
from replai.stream.sampling import Items
from replai.stream.spares import fill_with_blanks, fill_with_spares
from replai.stream.stages import attempt, each
from replai.stream.unpack import unpack_sample


@dataclass(frozen=True, kw_only=True)
class Share:
    """Which part of each global batch is ours."""

    rank: int = 0
    world_size: int = 1


@dataclass(frozen=True)
class Failure:
    """What a worker sends instead of a batch where it met bad input."""

    message: str


@dataclass(frozen=True, kw_only=True)
class Task:
    """Everything a worker needs; it travels to the worker processes."""

    index: DatasetIndex
    items: Items
    decode: DecodeConfig
    share: Share
    global_visits: int
    num_epochs: int | None
    """None covers every item once (a probe), else training."""
    state: StreamState
    budget_bytes: int
    retry: RetryConfig
    s3_client: S3Client
    caches: tuple[DiskCache, ...]
    most_bad_in_a_row: int

    @property
    def local_visits(self) -> int:
        """Visits of each batch that are this rank's."""
        return local_batch_size(self.global_visits, self.share.world_size)


def make_pipeline(task: Task, blocks: Blocks | None = None) -> wds.DataPipeline:
    """The stages of `task`, still to be run; in a worker, with `blocks` for its batches."""
    reader, meter = RangeReader(task.index, task.retry, task.caches, task.s3_client), Meter()
    unpack = partial(unpack_sample, actions=task.index.actions)
    decode = partial(decode_sample, config=task.decode)
    return wds.DataPipeline(
        PlanSource(task),
        partial(
            fetch, reader=reader, items=task.items, budget_bytes=task.budget_bytes, meter=meter
        ),
        partial(each, function=unpack, meter=meter),
        partial(each, function=decode, meter=meter),
        _filler(task, reader, meter),
        partial(collate, visits_per_batch=task.local_visits, meter=meter, blocks=blocks),
        report_failures,
    )


def _filler(task: Task, reader: RangeReader, meter: Meter) -> Any:
    if task.num_epochs is None:
        return partial(fill_with_blanks, reader=reader, config=task.decode)
    return partial(
        fill_with_spares,
        load=partial(load_visit, task=task, reader=reader, meter=meter),
        reader=reader,
        num_items=len(task.items),
        seed=task.state.seed,
        most_in_a_row=task.most_bad_in_a_row,
    )


def load_visit(place: Place, task: Task, reader: RangeReader, meter: Meter) -> Decoded | Failed:
    """One visit on its own, all stages one after the other."""
    fetched = fetch_one(place, reader, task.items, meter)
    if isinstance(fetched, Failed):
        return fetched
    unpacked = attempt(fetched, partial(unpack_sample, actions=task.index.actions), meter)
    if isinstance(unpacked, Failed):
        return unpacked
    visit = attempt(unpacked, partial(decode_sample, config=task.decode), meter)
    if not isinstance(visit, Failed):
        meter.count(spares=1)
    return visit


class PlanSource(torch.utils.data.IterableDataset):  # type: ignore[type-arg]
    """The places that the present worker of the present rank has to fill."""

    def __init__(self, task: Task) -> None:
        super().__init__()
        self.task = task

    def __iter__(self) -> Iterator[Place]:
        task, info = self.task, get_worker_info()
        sizes: dict[str, int] = {
            "global_batch": task.global_visits,
            "rank": task.share.rank,
            "world_size": task.share.world_size,
            "worker": info.id if info else 0,
            "num_workers": info.num_workers if info else 1,
        }
        if task.num_epochs is None:
            return covering_places(task.state.batch, num_items=len(task.items), **sizes)
        return training_places(task.state, mix=task.items.mix, num_epochs=task.num_epochs, **sizes)


def report_failures(batches: Iterator[AVBatch | Parcel]) -> Iterator[AVBatch | Parcel | Failure]:
    """Passes batches on; bad input becomes a `Failure`, bugs stay exceptions."""
    try:
        yield from batches
    except UserError as error:
        yield Failure(str(error))
