"""Logistic regression and SVMs, and how their penalty is chosen."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from replai.core.errors import UserError
from replai.evaluation.config import PenaltyConfig
from replai.evaluation.penalised import fit_logistic, fit_svm, held_out_items
from replai.evaluation.scores import top_k_hits
from tests.replai.evaluation.made_up import separable

CONFIG = PenaltyConfig(strengths=[1e-4, 1e-2, 1.0])
ALL = np.ones(200, bool)


@pytest.mark.parametrize("fit", [fit_logistic, fit_svm])
def test_classes_are_told_apart_and_the_strength_is_told(fit) -> None:
    heads = fit(separable(200, 0, num_views=2), (4, 3), CONFIG, seed=0)
    test = separable(100, 1, num_views=3)
    for task, scores in enumerate(heads.predict(test.values)):
        assert scores.shape == (100, (4, 3)[task])
        assert top_k_hits(scores, test.labels[:, task], 1).float().mean() > 0.95
    assert heads.predict(test.values)[0][:, 3].isneginf().all()  # no verb 3 in training
    told = heads.protocol()
    assert set(told["C"].values()) <= set(CONFIG.strengths)
    assert told["converged"] == {"verb": True, "noun": True}


def test_the_strength_is_the_best_on_held_out_videos() -> None:
    """Each video has a sign of its own class: a weak penalty learns videos, not classes."""
    draw = torch.Generator().manual_seed(0)
    features = separable(200, 0, noise=0.3)
    video = torch.arange(200) // 10
    own = 30.0 * torch.nn.functional.one_hot(video, 20)[:, None].float()
    labels = torch.randint(3, (200, 2), generator=draw)
    labels[:, 0] = torch.where(torch.rand(200, generator=draw) < 0.5, video % 3, labels[:, 0])
    features = replace(features, values=torch.cat([features.values, own], 2), labels=labels)
    held_out = held_out_items(features.origins, ALL, CONFIG.held_out, seed=0)
    found = {}
    for strength in CONFIG.strengths:
        alone = PenaltyConfig(strengths=[strength])
        heads = fit_logistic(features.rows(~held_out), (3, 3), alone, seed=0)
        tried = features.rows(held_out)
        hits = top_k_hits(heads.predict(tried.values)[0], tried.labels[:, 0], 1)
        found[strength] = float(hits.float().mean())
    chosen = fit_logistic(features, (3, 3), CONFIG, seed=0).protocol()["C"]["verb"]
    assert len(set(found.values())) > 1
    assert found[chosen] == max(found.values())


def test_whole_videos_are_held_out() -> None:
    origins = separable(200, 0).origins
    held_out = held_out_items(origins, ALL, 0.2, seed=3)
    assert held_out.sum() == 40
    assert not set(origins[held_out]) & set(origins[~held_out])
    assert (held_out != held_out_items(origins, ALL, 0.2, seed=4)).any()
    assert held_out_items(np.array(["a", "b"]), ALL[:2], 0.01, seed=0).sum() == 1
    assert held_out_items(np.array(["a", "a"]), ALL[:2], 0.9, seed=0).sum() == 0


@pytest.mark.parametrize("seed", range(4))
def test_videos_that_are_labelled_are_held_out(seed: int) -> None:
    """Nouns are of 3 videos in 20."""
    origins = separable(200, 0).origins
    known = np.isin(origins, np.unique(origins)[:3])
    held_out = held_out_items(origins, known, 0.2, seed)
    assert len(set(origins[held_out & known])) == 1


def test_what_does_not_converge_is_told() -> None:
    config = PenaltyConfig(strengths=[1.0], max_iterations=1)
    heads = fit_logistic(separable(50, 0, noise=1.0), (3, 3), config, seed=0)
    assert heads.protocol()["converged"] == {"verb": False, "noun": False}


def test_a_single_class_is_refused() -> None:
    features = separable(20, 0)
    labels = features.labels.clone()
    labels[:, 1] = 1
    with pytest.raises(UserError, match="fewer than two classes of the nouns"):
        fit_logistic(replace(features, labels=labels), (3, 3), CONFIG, seed=0)


def test_a_choice_that_nothing_can_be_held_out_for_is_refused() -> None:
    """Rather than made in silence."""
    one_video = separable(10, 0)
    assert len(set(one_video.origins)) == 1
    for fit, name in ((fit_logistic, "logistic"), (fit_svm, "svm")):
        told = rf"{name}, verb: too little is labelled .* as in {name}\.strengths="
        with pytest.raises(UserError, match=told):
            fit(one_video, (3, 3), CONFIG, seed=0)
    alone = PenaltyConfig(strengths=[0.1])
    assert fit_logistic(one_video, (3, 3), alone, seed=0).protocol()["C"]["verb"] == 0.1


@pytest.mark.parametrize("strengths", [[], [0.0, 1.0], [1.0, 0.1], [1.0, 1.0]])
def test_strengths_that_make_no_sense_are_refused(strengths: list[float]) -> None:
    with pytest.raises(ValueError, match="strengths is"):
        PenaltyConfig(strengths=strengths)
