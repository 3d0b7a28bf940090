"""Which items of a dataset qualify, and at which times of an item the views are taken.

An item is one visit to one stored segment (`moments`, `random`) or one labelled action
(`actions`). Each visit has k anchors t; every view of the objective is taken at every anchor.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from replai.core.errors import SampleError, UserError
from replai.core.index import DatasetIndex
from replai.core.record import SampleRecord
from replai.core.timeline import slot_centres
from replai.stream.order import Mix, mix_of


class At(Enum):
    """Where in the video the views are taken."""

    moments = "moments"
    """At detected moments of interaction (the paper's method)."""
    random = "random"
    """At uniform random times of the untrimmed video (the paper's "w/o MoI")."""
    actions = "actions"
    """At labelled actions, anchors spread evenly over each action (for a probe)."""


@dataclass(frozen=True, kw_only=True)
class SamplingConfig:
    """How times are sampled; nothing here needs resharding."""

    at: At = At.moments
    """moments, random or actions."""
    per_visit: int = 1
    """Anchors k a visit: one read and one decode serve k moments (1 in the paper's code). At
    moments, segments that have fewer are not visited."""

    def __post_init__(self) -> None:
        if self.per_visit < 1:
            raise ValueError(f"per_visit is {self.per_visit}; it must be at least 1")


@dataclass(frozen=True)
class Items:
    """The N items that qualify: `rows` int64 [N] of the index, `ordinals` int64 [N].

    The ordinal is the action's number within its sample (0 where items are segments).
    """

    rows: NDArray[np.int64]
    ordinals: NDArray[np.int64]
    mix: Mix
    """How the items of several datasets share the places of an epoch."""

    def __len__(self) -> int:
        return len(self.rows)


def qualifying_items(
    index: DatasetIndex, sampling: SamplingConfig, reach: tuple[float, float], needs_audio: bool
) -> Items:
    """The items of `index` that can supply views reaching `reach` seconds before and after t.

    Raises UserError if none does, or if the views reach further than the stored margin.
    """
    eligible = np.ones(index.header.num_samples, bool)
    if needs_audio:
        eligible &= index.column("has_audio")
    if sampling.at is At.moments:
        _check_margin(index, reach)
        eligible &= index.column("num_moments") >= sampling.per_visit
    if sampling.at is At.random:
        eligible &= index.column("duration_seconds") >= sum(reach)
    rows = np.flatnonzero(eligible).astype(np.int64)
    ordinals = np.zeros(len(rows), np.int64)
    if sampling.at is At.actions:
        _refuse_mixture(index)
        counts = index.column("num_actions")[rows]
        ordinals = np.concatenate([np.arange(count) for count in counts] or [ordinals])
        rows = np.repeat(rows, counts)
    if not len(rows):
        raise UserError(_why_none(index.root, sampling))
    return Items(rows, ordinals, _mix(index, rows, sampling))


def _mix(index: DatasetIndex, rows: NDArray[np.int64], sampling: SamplingConfig) -> Mix:
    ends = np.cumsum([0, *(part.num_samples for part in index.parts)])
    sizes = np.diff(np.searchsorted(rows, ends)).tolist()
    for part, size in zip(index.parts, sizes, strict=True):
        if not size:
            raise UserError(_why_none(part.root, sampling))
    return mix_of(sizes, [part.weight for part in index.parts])


def _why_none(root: str, sampling: SamplingConfig) -> str:
    if sampling.at is At.moments and sampling.per_visit > 1:
        return (
            f"{root}: no sample has {sampling.per_visit} moments; lower data.sampling.per_visit or "
            "pack longer segments (--segment-seconds)"
        )
    return f"{root}: no sample qualifies for sampling at {sampling.at.value}"


def _refuse_mixture(index: DatasetIndex) -> None:
    if len(index.parts) > 1:
        raise UserError(
            f"{index.root}: class ids of several datasets have no common meaning; "
            "sample labelled actions from one of them"
        )


def _check_margin(index: DatasetIndex, reach: tuple[float, float]) -> None:
    margin = index.header.margin_seconds
    if max(reach) > margin + 1e-9:
        raise UserError(
            f"the views reach {max(reach):g} s from the moment, but {index.root} keeps a margin "
            f"of {margin:g} s; shorten the views or pack with --margin-seconds {max(reach):g}"
        )


def _check_agrees(agrees: bool, record: SampleRecord) -> None:
    if not agrees:
        raise SampleError(
            f"the record has {len(record.moments)} moments and {len(record.actions)} actions, "
            "fewer than the index says"
        )


def anchors(
    record: SampleRecord,
    ordinal: int,
    sampling: SamplingConfig,
    reach: tuple[float, float],
    draw: np.random.Generator,
) -> NDArray[np.float64]:
    """The k anchor times of one visit, on the stored clip's clock; float64 [k], ascending.

    Raises SampleError if the record holds less than the index promised.
    """
    k = sampling.per_visit
    if sampling.at is At.moments:
        _check_agrees(len(record.moments) >= k, record)
        chosen = draw.choice(len(record.moments), size=k, replace=False)
        return np.array([record.moments[i].seconds for i in sorted(chosen)])
    if sampling.at is At.random:
        before, after = reach
        last = max(before, record.duration_seconds - after)  # rounding may leave less than none
        return np.sort(draw.uniform(before, last, size=k))
    _check_agrees(len(record.actions) > ordinal, record)
    action = record.actions[ordinal]
    length = action.stop_seconds - action.start_seconds
    return slot_centres(action.start_seconds, length, k)
