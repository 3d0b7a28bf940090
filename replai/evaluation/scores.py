"""Predictions → accuracies with their intervals, overall and class by class."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from replai.core.errors import UserError
from replai.core.seeding import generator
from replai.evaluation.config import IntervalConfig, Over

Hits = NDArray[np.bool_]
"""bool [N]: whether each prediction is right."""


@dataclass(frozen=True)
class Estimate:
    """A figure in percent and its interval; None where there are fewer than two groups."""

    percent: float
    interval: tuple[float, float] | None


@dataclass(frozen=True)
class ClassAccuracy:
    """Top-1 accuracy in percent on the `num_test` items of one class.

    `num_train`: items of it in the training split; of folds, in all of them.
    """

    class_id: int
    name: str
    num_train: int
    num_test: int
    top1: float


def top_k_hits(scores: Tensor, labels: Tensor, k: int) -> Tensor:
    """bool [N]: whether the label of each row of `scores` [N, C] is among its k highest.

    A class of score -inf, which its classifier never saw, is no answer.
    """
    best = scores.topk(min(k, scores.shape[1]), dim=1)
    answers = best.values > -torch.inf
    return ((best.indices == labels[:, None]) & answers).any(dim=1)


def groups_of(origins: NDArray[np.str_], over: Over) -> NDArray[np.int64]:
    """int64 [N]: the number of each item's group, that is what is resampled as one.

    Raises UserError for a video that names no participant.
    """
    if over is Over.action:
        return np.arange(len(origins))
    names = origins
    if over is Over.participant:
        for strange in sorted({name for name in origins if "_" not in name}):
            raise UserError(
                f"video id {str(strange)!r} names no participant before a `_`; "
                "set interval.over=video"
            )
        names = np.array([name.partition("_")[0] for name in origins])
    numbers: NDArray[np.int64] = np.unique(names, return_inverse=True)[1].astype(np.int64)
    return numbers


def accuracy(hits: Hits, groups: NDArray[np.int64], config: IntervalConfig, seed: int) -> Estimate:
    """Share of hits, of which there must be one at least."""
    return _estimate(hits, np.zeros(len(hits), np.int64), groups, config, seed)


def mean_class_accuracy(
    hits: Hits,
    labels: NDArray[np.int64],
    groups: NDArray[np.int64],
    config: IntervalConfig,
    seed: int,
) -> Estimate:
    """Mean over the classes that occur of the share of hits in each: every class counts alike."""
    return _estimate(hits, labels, groups, config, seed)


def _estimate(
    hits: Hits,
    classes: NDArray[np.int64],
    groups: NDArray[np.int64],
    config: IntervalConfig,
    seed: int,
) -> Estimate:
    """Mean over classes of the share of hits, with a percentile bootstrap over groups.

    Whole groups are drawn with replacement, as many as there are; a class counts in the resamples
    that it occurs in.
    """
    right, all_ = (_counts(groups, classes, weights) for weights in (hits.astype(float), None))
    percent = float(_mean_share(right.sum(axis=0)[None], all_.sum(axis=0)[None])[0])
    num_groups = len(right)
    if num_groups < 2:
        return Estimate(percent, None)
    draw = generator(seed, 0, 0, "bootstrap")
    times = draw.multinomial(
        num_groups, np.full(num_groups, 1 / num_groups), size=config.num_resamples
    ).astype(float)
    shares = _mean_share(times @ right, times @ all_)
    tail = (1 - config.confidence) / 2
    low, high = np.quantile(shares, [tail, 1 - tail])
    return Estimate(percent, (float(low), float(high)))


def _counts(
    groups: NDArray[np.int64], classes: NDArray[np.int64], weights: NDArray[np.float64] | None
) -> NDArray[np.float64]:
    """float64 [G, C]: sums over the items of each group and class; groups without items go."""
    _, group = np.unique(groups, return_inverse=True)
    names, kind = np.unique(classes, return_inverse=True)
    size = (int(group.max()) + 1, len(names))
    flat = np.bincount(group * size[1] + kind, weights, minlength=size[0] * size[1])
    return flat.reshape(size).astype(float)


def _mean_share(right: NDArray[np.float64], all_: NDArray[np.float64]) -> NDArray[np.float64]:
    """[R]: in percent, the mean over the classes that occur, of counts [R, C]."""
    occurs = all_ > 0
    shares = np.divide(right, all_, out=np.zeros_like(right), where=occurs)
    mean: NDArray[np.float64] = 100 * shares.sum(axis=1) / occurs.sum(axis=1)
    return mean


def class_accuracies(
    hits: Hits,
    labels: NDArray[np.int64],
    train_labels: NDArray[np.int64],
    names: dict[int, str],
) -> tuple[ClassAccuracy, ...]:
    """Of each class in the test set, the most frequent first."""
    ids, counts = np.unique(labels, return_counts=True)
    order = np.lexsort((ids, -counts))
    return tuple(
        ClassAccuracy(
            class_id=int(one),
            name=names.get(int(one), str(one)),
            num_train=int((train_labels == one).sum()),
            num_test=int(count),
            top1=float(100 * hits[labels == one].mean()),
        )
        for one, count in zip(ids[order], counts[order], strict=True)
    )
