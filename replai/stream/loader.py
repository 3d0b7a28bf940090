"""The stream as a trainer sees it: an iterator of batches whose whole state is one small dict."""

from __future__ import annotations

import math
import multiprocessing
import time
import traceback
import warnings
from collections.abc import Collection, Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import partial
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import torch
import webdataset as wds

from replai.core.errors import PeerLostError, UserError
from replai.core.index import DatasetIndex
from replai.core.urls import without_secrets
from replai.stream.blocks import Blocks
from replai.stream.cache import CacheConfig, open_caches
from replai.stream.collate import AVBatch
from replai.stream.crops import CropConfig
from replai.stream.decode import DecodeConfig
from replai.stream.figures import Figures, taken
from replai.stream.order import Mix
from replai.stream.pipeline import Failure, Share, Task, make_pipeline
from replai.stream.plan import StreamState, advanced, batches_per_epoch, local_batch_size
from replai.stream.quarantine import BadSampleConfig, Quarantine
from replai.stream.request import S3Client
from replai.stream.retry import RetryConfig
from replai.stream.sampling import At, SamplingConfig, qualifying_items
from replai.stream.worker import Told, fork_server, is_lost_worker, kill_workers, set_up_worker
from replai.views import AudioView, View, reach

__all__ = ["AVStream", "Share", "StreamConfig"]


@dataclass(frozen=True, kw_only=True)
class StreamConfig:
    """How a rank reads a dataset."""

    num_workers: int = 2
    """Decode processes of each rank; 0 decodes in the trainer's process."""
    megabytes_in_flight: float = 32.0
    """Bytes that each worker reads ahead (always at least two requests, whatever their size)."""
    prefetch_batches: int = 2
    """Finished batches that each worker keeps ready."""
    read_unit: int = 4
    """Neighbouring samples of a shard that stay together in the order, read by one request (of at
    most 16 samples); 1 shuffles each on its own, as actions are in any case. A run resumes with
    the one that it began with alone; those of before it was 4 began with 1.
    """
    s3_client: S3Client = S3Client.auto
    """auto, s3fs or obstore: what reads samples from S3."""
    retry: RetryConfig = field(default_factory=RetryConfig)
    cache: CacheConfig = field(default_factory=CacheConfig)
    bad_samples: BadSampleConfig = field(default_factory=BadSampleConfig)

    def __post_init__(self) -> None:
        for name, least in (
            ("num_workers", 0),
            ("megabytes_in_flight", 0),
            ("prefetch_batches", 1),
            ("read_unit", 1),
        ):
            if not least <= getattr(self, name) < math.inf:
                raise ValueError(
                    f"{name} is {getattr(self, name)}; it must be at least {least}, and finite"
                )


class _EndlessDecodeError(Exception):
    """A worker has ended, as it did not get to the end of this sample."""

    def __init__(self, item: int, key: str) -> None:
        super().__init__(item, key)
        self.item, self.key = item, key


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
        quarantine_path: Path | None = None,
    ) -> None:
        """In training `batch_size` counts the anchors of the global batch; per_visit divides it.

        `num_epochs` None gives every item exactly once, in index order, the end padded with rows
        that are not `valid`; `batch_size` then counts items. Bad samples are written to
        `quarantine_path`. Raises UserError for what cannot be served.
        """
        if batch_size % sampling.per_visit and num_epochs is not None:
            raise UserError(
                f"batch_size {batch_size} is not divisible by per_visit {sampling.per_visit}"
            )
        self.config = config or StreamConfig()
        share = share or Share()
        needs_audio = any(isinstance(view, AudioView) for view in views)
        items = qualifying_items(index, sampling, reach(views), needs_audio)
        # Neighbours among actions are of one segment, not strangers.
        unit = 1 if sampling.at is At.actions else self.config.read_unit
        items = replace(items, mix=replace(items.mix, unit=unit))
        global_visits = batch_size // sampling.per_visit if num_epochs is not None else batch_size
        local_visits = local_batch_size(global_visits, share.world_size)
        self.num_items = len(items)
        if num_epochs is None:
            self.batches_per_epoch = -(-len(items) // global_visits)
        else:
            self.batches_per_epoch = batches_per_epoch(items.mix.num_places, global_visits)
        self._task = Task(
            index=index,
            items=items,
            decode=DecodeConfig(
                views=views, sampling=sampling, crop=crop, augment=augment, seed=seed
            ),
            share=share,
            global_visits=global_visits,
            num_epochs=num_epochs,
            state=StreamState(
                seed=seed,
                epoch=0,
                batch=0,
                dataset_hash=index.header.dataset_hash,
                read_unit=unit,
            ),
            budget_bytes=int(self.config.megabytes_in_flight * 1e6),
            retry=self.config.retry,
            s3_client=self.config.s3_client.chosen(),
            caches=open_caches(self.config.cache, index),
            most_bad_in_a_row=self.config.bad_samples.max_in_a_row,
        )
        self.quarantine = Quarantine(
            self.config.bad_samples,
            self.batches_per_epoch * local_visits,
            quarantine_path,
            share.world_size,
        )
        self.wait_seconds = 0.0
        """Time that callers have spent waiting in `next`."""
        self.figures = Figures()
        """What the workers did for the batches given so far, since `take_figures`."""
        self._said: set[str] = set()

    @property
    def state(self) -> StreamState:
        """Where the stream stands: the next batch."""
        return self._task.state

    @property
    def reads(self) -> str:
        """What reads its samples, for the log."""
        schemes = {url.partition("://")[0] for url in self._task.index.shard_urls}
        if not schemes & {"s3", "s3a"}:
            return ""
        return f"samples are read from S3 by {self._task.s3_client.value}"

    @property
    def mix(self) -> Mix:
        """How the items of several datasets share an epoch."""
        return self._task.items.mix

    def own_epochs(self) -> dict[str, float]:
        """Root of each dataset -> how often its items have been gone through."""
        epochs = self.state.epoch + self.state.batch / self.batches_per_epoch
        roots = [without_secrets(part.root) for part in self._task.index.parts]
        return dict(zip(roots, self.mix.own_epochs(epochs), strict=True))

    def load_state(self, state: StreamState) -> None:
        """Continues from `state`. Raises UserError if it belongs to another dataset or order."""
        ours = self._task.state
        if state.dataset_hash != ours.dataset_hash:
            raise UserError(
                f"the checkpoint was trained on another dataset than {self._task.index.root} is "
                f"now ({state.dataset_hash[:12]} there, {ours.dataset_hash[:12]} here)"
            )
        if state.seed != ours.seed:
            raise UserError(f"the checkpoint has seed {state.seed}, the config {ours.seed}")
        if state.read_unit != ours.read_unit:
            raise UserError(
                f"the checkpoint's order has units of {state.read_unit}, the config's of "
                f"{ours.read_unit}; go on with data.stream.read_unit={state.read_unit}"
            )
        self._task = replace(self._task, state=state)

    def take_figures(self) -> Figures:
        """The figures since the last take."""
        taken, self.figures = self.figures, Figures()
        return taken

    def __iter__(self) -> Iterator[AVBatch]:
        while True:
            try:
                yield from self._batches()
                return
            except _EndlessDecodeError as error:
                self._leave_out(error)

    def _batches(self) -> Iterator[AVBatch]:
        """Those that one set of workers makes, from `state` on."""
        told: Told | None = fork_server().SimpleQueue() if self.config.num_workers else None
        others = multiprocessing.active_children()
        # Closed here: left to the garbage collector, workers are waited for, seconds each.
        with closing(iter(self._loader(told))) as source:
            while True:
                started = time.perf_counter()
                try:
                    batch = self._next(source, told, others)
                finally:
                    self.wait_seconds += time.perf_counter() - started
                if batch is None:
                    return
                if isinstance(batch, Failure):
                    raise UserError(batch.message)
                self._note(batch)
                yield batch

    def _next(
        self,
        source: Iterator[AVBatch | Failure],
        told: Told | None,
        others: Collection[BaseProcess],
    ) -> AVBatch | Failure | None:
        try:
            return next(source, None)
        except Exception as error:
            if told is None:
                raise
            if not is_lost_worker(error):
                # They hold the loader: its workers would live as long as the error.
                traceback.clear_frames(error.__traceback__)
                raise
            kill_workers(but=others)
            if not told.empty():
                raise _EndlessDecodeError(*told.get()) from error
            raise PeerLostError(
                f"a decode process of rank {self._task.share.rank} is gone, killed perhaps as "
                "memory ran out; lower stream.num_workers, prefetch_batches or "
                "megabytes_in_flight, or give it more memory, and run again"
            ) from error

    def _leave_out(self, error: _EndlessDecodeError) -> None:
        """Takes `error`'s sample for a bad one from now on."""
        reason = f"not decoded within {self.config.bad_samples.max_decode_seconds:g} s"
        decode = self._task.decode
        endless = {**decode.endless, error.item: reason}
        self._task = replace(self._task, decode=replace(decode, endless=endless))
        self._say((f"sample {error.key} was {reason}; decode processes start anew without it",))

    def _note(self, batch: AVBatch) -> None:
        self.figures += taken(batch.figures)
        self._say(batch.figures.warnings)
        self.quarantine.add(batch.bad, num_good=int(batch.valid.sum()))
        next_state = advanced(self._task.state, 1, self.batches_per_epoch)
        self._task = replace(self._task, state=next_state)

    def _say(self, warned: tuple[str, ...]) -> None:
        """Warns here of what workers have met: they all may meet it, and are many."""
        for text in warned:
            if text not in self._said:
                self._said.add(text)
                warnings.warn(text, stacklevel=2)

    def _loader(self, told: Told | None) -> Any:
        """The batches; workers put into `told` which sample held them, and end."""
        if told is None:
            return make_pipeline(self._task)
        return wds.WebLoader(
            make_pipeline(self._task, Blocks()),
            batch_size=None,
            num_workers=self.config.num_workers,
            prefetch_factor=self.config.prefetch_batches,
            multiprocessing_context=fork_server(),
            worker_init_fn=partial(set_up_worker, self.config.bad_samples.max_decode_seconds, told),
            pin_memory=torch.cuda.is_available(),
        )
