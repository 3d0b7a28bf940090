"""Visits → one batch of tensors for one rank."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import DTypeLike
from torch import Tensor

from replai.stream.blocks import Arrays, Block, Blocks, Layout, empty_arrays, leased_arrays
from replai.stream.decode import Decoded
from replai.stream.figures import Figures, Meter, finished
from replai.stream.quarantine import BadSample
from replai.stream.spares import Filled


@dataclass(frozen=True, kw_only=True)
class AVBatch:
    """One rank's part of one global batch: b = visits x anchors rows."""

    epoch: int
    batch: int
    views: dict[str, Tensor]
    """Video: uint8 [b, 3, T, H, W] in 0..255; audio: float32 [b, 1, samples] in -1..1."""
    keys: tuple[str, ...]
    """Sample keys [b]."""
    video_ids: tuple[str, ...]
    seconds: Tensor
    """Anchor times, float64 [b], on the source videos' clocks."""
    labels: Tensor
    """int64 [b, 2]: verb and noun class, -1 where unknown."""
    positions: Tensor
    """int64 [b]: the places of the epoch that these rows fill."""
    items: Tensor
    """int64 [b]: numbers of the visited items among those that qualify, the same in each epoch."""
    audio_coverage: Tensor
    """float32 [b]: share of the audio windows that had sound in the file; the rest is silence."""
    valid: Tensor
    """bool [b]: False for a probe's rows that pad its last batch or stand for a bad sample."""
    bad: tuple[BadSample, ...] = ()
    """Samples that failed while this batch was made."""
    figures: Figures = field(default_factory=Figures)
    """What making this batch took."""

    def __len__(self) -> int:
        return len(self.keys)

    def pin_memory(self) -> AVBatch:
        """The batch with its views in pinned memory, for asynchronous copies to a GPU."""
        pinned = {name: view.pin_memory() for name, view in self.views.items()}
        return replace(self, views=pinned)

    def views_on(self, device: torch.device) -> dict[str, Tensor]:
        """The views, copied to `device` without waiting."""
        return {name: view.to(device, non_blocking=True) for name, view in self.views.items()}


@dataclass(frozen=True)
class Parcel:
    """A batch on its way out of a worker. It arrives as the AVBatch; its views stay in `block`."""

    batch: AVBatch
    block: Block
    layout: Layout

    def __reduce__(self) -> tuple[Any, ...]:
        values = {one.name: getattr(self.batch, one.name) for one in fields(AVBatch)}
        del values["views"]
        small = {name: v.numpy() for name, v in values.items() if isinstance(v, Tensor)}
        return _arrived, (self.block.path, self.layout, {**values, **small})


def _arrived(path: str, layout: Layout, values: dict[str, Any]) -> AVBatch:
    """What `Parcel.__reduce__` sends, where it arrives."""
    small = {name: torch.from_numpy(v) for name, v in values.items() if isinstance(v, np.ndarray)}
    return AVBatch(views=_tensors(leased_arrays(path, layout)), **{**values, **small})


def collate(
    visits: Iterator[Filled], visits_per_batch: int, meter: Meter, blocks: Blocks | None = None
) -> Iterator[AVBatch | Parcel]:
    """Groups consecutive visits of one batch. The plan fills every batch, so none is short.

    With `blocks`, in a worker, each visit is copied once, to where the trainer will see it.
    """
    group: list[Filled] = []
    views: Arrays = {}
    for filled in visits:
        if not group:
            layout = _layout(filled.visit, visits_per_batch)
            block = blocks.free_block(layout) if blocks else None
            views = block.take(layout) if block else empty_arrays(layout)
        _put(filled.visit, len(group), views)
        group.append(replace(filled, visit=replace(filled.visit, views={})))
        if len(group) == visits_per_batch:
            batch = _batch([one.visit for one in group], views)
            bad = tuple(one for filled in group for one in filled.bad)
            batch = replace(batch, bad=bad, figures=finished(meter.take()))
            yield Parcel(batch, block, layout) if block else batch
            group, views = [], {}
    assert not group, "the plan gave a batch that is not full"


def collate_visits(group: Sequence[Decoded]) -> AVBatch:
    """One batch of all anchors of all visits in `group`, in order."""
    views = empty_arrays(_layout(group[0], len(group)))
    for number, visit in enumerate(group):
        _put(visit, number, views)
    return _batch(group, views)


def _layout(visit: Decoded, num_visits: int) -> Layout:
    """Of the views of a batch of visits like `visit`."""
    return {
        name: ((num_visits * len(view), *view.shape[1:]), view.dtype)
        for name, view in visit.views.items()
    }


def _put(visit: Decoded, number: int, views: Arrays) -> None:
    """Copies the views of the batch's visit `number` to their rows."""
    for name, view in visit.views.items():
        views[name][number * len(view) : (number + 1) * len(view)] = view


def _tensors(arrays: Arrays) -> dict[str, Tensor]:
    return {name: torch.from_numpy(array) for name, array in arrays.items()}


def _batch(group: Sequence[Decoded], views: Arrays) -> AVBatch:
    first = group[0].place
    assert {(v.place.epoch, v.place.batch) for v in group} == {(first.epoch, first.batch)}
    counts = [len(visit.seconds) for visit in group]

    def per_row(values: list[object], dtype: DTypeLike) -> Tensor:
        return torch.from_numpy(np.repeat(np.array(values, dtype), counts, axis=0))

    return AVBatch(
        epoch=first.epoch,
        batch=first.batch,
        views=_tensors(views),
        keys=tuple(v.key for v in group for _ in v.seconds),
        video_ids=tuple(v.video_id for v in group for _ in v.seconds),
        seconds=torch.from_numpy(np.concatenate([visit.seconds for visit in group])),
        labels=per_row([visit.labels for visit in group], np.int64),
        positions=per_row([visit.place.position for visit in group], np.int64),
        items=per_row([visit.place.item for visit in group], np.int64),
        audio_coverage=per_row([visit.audio_coverage for visit in group], np.float32),
        valid=per_row([visit.place.valid for visit in group], np.bool_),
    )
