"""Accuracies and their intervals."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from replai.core.errors import UserError
from replai.evaluation.config import IntervalConfig, Over
from replai.evaluation.scores import (
    accuracy,
    class_accuracies,
    groups_of,
    mean_class_accuracy,
    top_k_hits,
)

CONFIG = IntervalConfig(num_resamples=2000)


def test_top_k_hits_against_a_loop() -> None:
    draw = torch.Generator().manual_seed(0)
    scores = torch.randn(50, 7, generator=draw)
    labels = torch.randint(7, (50,), generator=draw)
    for k in (1, 5, 9):
        loop = [
            int(label) in sorted(range(7), key=lambda c, row=row: -row[c])[:k]
            for row, label in zip(scores.tolist(), labels, strict=True)
        ]
        assert top_k_hits(scores, labels, k).tolist() == loop


def test_a_class_that_training_never_saw_is_no_answer() -> None:
    """Among three classes of which one was seen, five answers are one."""
    scores = torch.tensor([[0.3, -torch.inf, -torch.inf]]).repeat(3, 1)
    for k in (1, 5):
        assert top_k_hits(scores, torch.arange(3), k).tolist() == [True, False, False]


def test_an_interval_over_independent_items_is_the_normal_one() -> None:
    hits = np.arange(400) % 4 > 0
    found = accuracy(hits, np.arange(400), CONFIG, seed=0)
    assert found.percent == 75
    half = 1.96 * np.sqrt(0.75 * 0.25 / 400) * 100
    np.testing.assert_allclose(found.interval, (75 - half, 75 + half), atol=0.4)


def test_items_that_go_together_widen_the_interval() -> None:
    hits = (np.arange(400) // 20) % 4 > 0  # 20 videos, right or wrong as a whole
    videos = np.arange(400) // 20
    low, high = accuracy(hits, videos, CONFIG, seed=0).interval
    alone_low, alone_high = accuracy(hits, np.arange(400), CONFIG, seed=0).interval
    ratio = (high - low) / (alone_high - alone_low)
    assert ratio == pytest.approx(np.sqrt(20), rel=0.15)


def test_a_bootstrap_against_a_loop() -> None:
    draw = np.random.default_rng(1)
    hits, classes, groups = (
        draw.random(60) < 0.6,
        draw.integers(5, size=60),
        draw.integers(9, size=60),
    )
    found = mean_class_accuracy(hits, classes, groups, CONFIG, seed=0)
    loop = np.mean([hits[classes == c].mean() for c in range(5)])
    assert found.percent == pytest.approx(100 * loop)
    shares = []
    for _ in range(2000):
        rows = np.concatenate([np.flatnonzero(groups == g) for g in draw.integers(9, size=9)])
        there = [hits[rows][classes[rows] == c] for c in range(5)]
        shares.append(100 * np.mean([one.mean() for one in there if len(one)]))
    np.testing.assert_allclose(found.interval, np.quantile(shares, [0.025, 0.975]), atol=1.5)


def test_every_class_counts_alike() -> None:
    hits, classes = np.array([True] * 98 + [False] * 2), np.array([0] * 98 + [1] * 2)
    assert accuracy(hits, np.arange(100), CONFIG, 0).percent == 98
    assert mean_class_accuracy(hits, classes, np.arange(100), CONFIG, 0).percent == 50


def test_one_group_has_no_interval() -> None:
    assert accuracy(np.array([True, False]), np.zeros(2, int), CONFIG, 0).interval is None


def test_groups() -> None:
    ids = np.array(["P02_1", "P01_7", "P02_2", "P02_1"])
    assert groups_of(ids, Over.video).tolist() == [1, 0, 2, 1]
    assert groups_of(ids, Over.participant).tolist() == [1, 0, 1, 1]
    assert groups_of(ids, Over.action).tolist() == [0, 1, 2, 3]
    with pytest.raises(UserError, match=r"'kitchen' names no participant.*interval\.over=video"):
        groups_of(np.array(["P02_1", "kitchen"]), Over.participant)


def test_classes_one_by_one() -> None:
    labels = np.array([2, 2, 2, 0])
    found = class_accuracies(
        np.array([True, False, True, True]), labels, np.array([2, 5]), {2: "open"}
    )
    assert [(c.name, c.num_train, c.num_test, round(c.top1)) for c in found] == [
        ("open", 1, 3, 67),
        ("0", 0, 1, 100),
    ]
