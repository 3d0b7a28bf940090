"""The stream as a trainer sees it: an iterator of batches whose whole state is one small dict."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
import webdataset as wds
from torch.utils.data import get_worker_info

from replai.core.errors import SampleError, UserError
from replai.core.index import DatasetIndex
from replai.stream.collate import AVBatch, collate
from replai.stream.crops import CropConfig
from replai.stream.decode import DecodeConfig, decode
from replai.stream.fetch import fetch
from replai.stream.plan import (
    Place,
    StreamState,
    advanced,
    batches_per_epoch,
    covering_places,
    local_batch_size,
    training_places,
)
from replai.stream.sampling import Items, SamplingConfig, qualifying_items
from replai.stream.unpack import unpack
from replai.views import AudioView, View, reach


@dataclass(frozen=True, kw_only=True)
class StreamConfig:
    """How a rank reads a dataset."""

    num_workers: int = 2
    """Decode processes of each rank; 0 decodes in the trainer's process."""
    reads_in_flight: int = 8
    """Ranged reads under way in each worker."""
    prefetch_batches: int = 2
    """Finished batches that each worker keeps ready."""

    def __post_init__(self) -> None:
        for name, least in (("num_workers", 0), ("reads_in_flight", 1), ("prefetch_batches", 1)):
            if getattr(self, name) < least:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be at least {least}")


@dataclass(frozen=True, kw_only=True)
class Share:
    """Which part of each global batch is ours."""

    rank: int = 0
    world_size: int = 1


@dataclass(frozen=True)
class Failure:
    """What a worker sends instead of a batch when a sample or the input is bad."""

    message: str
    from_user: bool


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
    reads_in_flight: int

    @property
    def local_visits(self) -> int:
        """Visits of each batch that are this rank's."""
        return local_batch_size(self.global_visits, self.share.world_size)


class AVStream:
    """Iterates over one rank's AVBatches, from `state` on.

    In training it runs on through the epochs without a pause between them. `state` is always
    that of the next batch that the caller has not yet been given, whatever the workers have
    prepared; equal states give equal batches on any number of ranks and workers.
    """

    def __init__(
        self,
        index: DatasetIndex,
        views: tuple[View, ...],
        *,
        sampling: SamplingConfig,
        crop: CropConfig,
        batch_size: int,
        seed: int = 0,
        num_epochs: int | None = None,
        augment: bool = True,
        share: Share | None = None,
        config: StreamConfig | None = None,
    ) -> None:
        """`batch_size` counts anchors in the global batch; per_visit must divide it.

        `num_epochs` None gives every item exactly once, in index order, the end padded with rows
        that are not `valid`. Raises UserError for what cannot be served.
        """
        if batch_size % sampling.per_visit and num_epochs is not None:
            raise UserError(
                f"batch_size {batch_size} is not divisible by per_visit {sampling.per_visit}"
            )
        self.config = config or StreamConfig()
        share = share or Share()
        needs_audio = any(isinstance(view, AudioView) for view in views)
        items = qualifying_items(index, sampling, reach(views), needs_audio)
        global_visits = batch_size // sampling.per_visit if num_epochs is not None else batch_size
        self.num_items = len(items)
        if num_epochs is None:
            self.batches_per_epoch = -(-len(items) // global_visits)
        else:
            self.batches_per_epoch = batches_per_epoch(len(items), global_visits)
        self._task = Task(
            index=index,
            items=items,
            decode=DecodeConfig(
                views=views, sampling=sampling, crop=crop, augment=augment, seed=seed
            ),
            share=share,
            global_visits=global_visits,
            num_epochs=num_epochs,
            state=StreamState(seed=seed, epoch=0, batch=0, dataset_hash=index.header.dataset_hash),
            reads_in_flight=self.config.reads_in_flight,
        )
        local_batch_size(global_visits, share.world_size)
        self.wait_seconds = 0.0
        """Time that callers have spent waiting in `next`."""

    @property
    def state(self) -> StreamState:
        """Where the stream stands: the next batch."""
        return self._task.state

    def load_state(self, state: StreamState) -> None:
        """Continues from `state`. Raises UserError if it belongs to another dataset or seed."""
        ours = self._task.state
        if state.dataset_hash != ours.dataset_hash:
            raise UserError(
                f"the checkpoint was trained on another dataset than {self._task.index.root} is "
                f"now ({state.dataset_hash[:12]} there, {ours.dataset_hash[:12]} here)"
            )
        if state.seed != ours.seed:
            raise UserError(f"the checkpoint has seed {state.seed}, the config {ours.seed}")
        self._task = _with_state(self._task, state)

    def __iter__(self) -> Iterator[AVBatch]:
        # Closed here: left to the garbage collector, workers are waited for, seconds each.
        with closing(iter(self._loader())) as source:
            while True:
                started = time.perf_counter()
                batch = next(source, None)
                self.wait_seconds += time.perf_counter() - started
                if batch is None:
                    return
                if isinstance(batch, Failure):
                    raise (UserError if batch.from_user else SampleError)(batch.message)
                next_state = advanced(self._task.state, 1, self.batches_per_epoch)
                self._task = _with_state(self._task, next_state)
                yield batch

    def _loader(self) -> Any:
        pipeline = make_pipeline(self._task)
        if self.config.num_workers == 0:
            return pipeline
        context = torch.multiprocessing.get_context("forkserver")
        context.set_forkserver_preload([__name__])
        return wds.WebLoader(
            pipeline,
            batch_size=None,
            num_workers=self.config.num_workers,
            prefetch_factor=self.config.prefetch_batches,
            multiprocessing_context=context,
            pin_memory=torch.cuda.is_available(),
        )


def make_pipeline(task: Task) -> wds.DataPipeline:
    """plan → fetch → unpack → decode → collate, as a WebDataset pipeline."""
    return wds.DataPipeline(
        PlanSource(task),
        partial(fetch, index=task.index, items=task.items, in_flight=task.reads_in_flight),
        unpack,
        partial(decode, config=task.decode),
        partial(collate, visits_per_batch=task.local_visits),
        report_failures,
    )


class PlanSource(torch.utils.data.IterableDataset):  # type: ignore[type-arg]
    """The places that the present worker of the present rank has to fill."""

    def __init__(self, task: Task) -> None:
        super().__init__()
        self.task = task

    def __iter__(self) -> Iterator[Place]:
        task, info = self.task, get_worker_info()
        sizes: dict[str, int] = {
            "num_items": len(task.items),
            "global_batch": task.global_visits,
            "rank": task.share.rank,
            "world_size": task.share.world_size,
            "worker": info.id if info else 0,
            "num_workers": info.num_workers if info else 1,
        }
        if task.num_epochs is None:
            return covering_places(task.state.batch, **sizes)
        return training_places(task.state, num_epochs=task.num_epochs, **sizes)


def report_failures(batches: Iterator[AVBatch]) -> Iterator[AVBatch | Failure]:
    """Passes batches on; bad input and bad samples become a `Failure`, bugs stay exceptions."""
    try:
        yield from batches
    except UserError as error:
        yield Failure(str(error), from_user=True)
    except SampleError as error:
        yield Failure(str(error), from_user=False)


def _with_state(task: Task, state: StreamState) -> Task:
    return replace(task, state=state)
