from dataclasses import replace
from typing import Any

import pytest
import torch

from replai.evaluation.config import LinearConfig
from replai.evaluation.features import Features
from replai.evaluation.linear import LinearHeads, fit_heads
from replai.evaluation.scores import top_k_hits
from tests.replai.evaluation.made_up import separable

CONFIG = LinearConfig(learning_rate=0.1, num_epochs=40, batch_size=16)


def top1(heads: LinearHeads, features: Features, task: int = 0) -> float:
    """Percent."""
    scores, labels = heads.predict(features.values)[task], features.labels[:, task]
    return 100 * float(top_k_hits(scores, labels, 1).float().mean())


def test_separable_classes_are_told_apart_at_any_scale() -> None:
    heads = fit_heads(separable(200, 0), (3, 3), CONFIG, seed=0)
    assert top1(heads, separable(100, 1), 0) > 95
    assert top1(heads, separable(100, 1), 1) > 95


def test_features_without_a_signal_give_chance() -> None:
    noise = separable(200, 0)
    order = torch.randperm(200, generator=torch.Generator().manual_seed(0))
    heads = fit_heads(replace(noise, values=noise.values[order]), (3, 3), CONFIG, seed=0)
    assert top1(heads, separable(300, 1)) < 60


def test_a_channel_that_no_training_item_excites_decides_nothing() -> None:
    train, test = (
        replace(one, values=torch.nn.functional.pad(one.values, (0, 1), value=channel))
        for one, channel in ((separable(200, 0), 0.3), (separable(100, 1), 0.5))
    )
    assert top1(fit_heads(train, (3, 3), CONFIG, seed=0), test) > 95


def test_the_same_seed_gives_the_same_heads() -> None:
    features = separable(50, 0, num_views=3)
    one, other, another = (fit_heads(features, (3, 3), CONFIG, seed=s) for s in (0, 0, 1))
    assert torch.equal(one.heads[0].weight, other.heads[0].weight)
    assert not torch.equal(one.heads[0].weight, another.heads[0].weight)


def test_items_without_a_class_do_not_count() -> None:
    features = separable(60, 0)
    labels = features.labels.clone()
    labels[::2, 0] = -1
    assert top1(fit_heads(replace(features, labels=labels), (3, 3), CONFIG, 0), features) > 95
    none = replace(features, labels=torch.full_like(labels, -1))
    fit_heads(none, (3, 3), CONFIG, 0)


def test_the_softmax_of_the_views_is_averaged() -> None:
    heads = fit_heads(separable(200, 0, num_views=5, noise=1.0), (3, 3), CONFIG, seed=0)
    test = separable(300, 1, num_views=5, noise=1.0)
    (verbs, _) = heads.predict(test.values)
    of_each = [heads(test.values[:, view])[0].softmax(dim=1) for view in range(5)]
    torch.testing.assert_close(verbs, sum(of_each) / 5)
    single = replace(test, values=test.values[:, :1])
    assert top1(heads, test) > top1(heads, single) + 5


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"drop_at": (18, 24)}, r"drop_at is \[18, 24\]; give shares of the epochs"),
        ({"weight_decay": -1e-4}, "must not be negative"),
        ({"momentum": -0.9}, "must not be negative"),
        ({"learning_rate": 0.0}, "must be positive"),
    ],
)
def test_settings_that_make_no_sense_are_refused(wrong: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        LinearConfig(**wrong)
