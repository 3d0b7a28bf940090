"""From features to figures and their protocol."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch

from replai.core.errors import UserError
from replai.evaluation.config import (
    Average,
    IntervalConfig,
    LinearConfig,
    Method,
    Over,
    ScoringConfig,
)
from replai.evaluation.evaluate import evaluate
from replai.evaluation.features import Features
from tests.replai.evaluation.made_up import separable

CONFIG = ScoringConfig(interval=IntervalConfig(num_resamples=50))


def test_each_number_has_its_protocol_beside_it() -> None:
    train, test = separable(80, 0, num_views=2), separable(60, 1, num_views=2)
    fields = evaluate(train, test, Method.logistic, CONFIG, seed=5).to_fields()
    json.dumps(fields)
    assert [name for name in fields if name.startswith("verb")] == [
        "verb_top1", "verb_top5", "verb_mean_class",
    ]  # fmt: skip
    assert fields["intervals"].keys() == {
        n for n in fields if n.startswith(("verb", "noun", "action_"))
    }
    told = fields["protocol"]["actions"]
    assert told["classifier"] == "logistic" and told["seed"] == 5 and told["views"] == 2
    assert (told["num_train"], told["num_test"]) == (80, 60)
    assert told["C"].keys() == {"verb", "noun"}
    assert told["interval"]["over"] == "video" and told["interval"]["num_groups"] == 6
    named = fields["classes"]["verb"]
    assert sum(one["num_test"] for one in named) == 60
    assert {one["name"] for one in named} == {"open", "close", "put"}


def test_intervals_over_people_are_over_fewer_groups() -> None:
    config = replace(CONFIG, interval=replace(CONFIG.interval, over=Over.participant))
    told = evaluate(separable(80, 0), separable(60, 1), Method.sgd, config, seed=0).protocol
    assert told["actions"]["interval"]["num_groups"] == 3


def test_features_or_predictions_are_averaged() -> None:
    """The views of an item miss its class by as much to either side: their mean has no noise."""
    train, test = separable(90, 0), separable(90, 1, noise=0.0)
    draw = torch.Generator().manual_seed(0)
    error = torch.tensor([3000.0] * 3 + [3.0] * 3) * torch.randn(90, 1, 6, generator=draw)
    test = replace(test, values=torch.cat([test.values + error, test.values - error], dim=1))
    linear = LinearConfig(learning_rate=0.1)
    top1 = {
        average: evaluate(
            train, test, Method.sgd, replace(CONFIG, average=average, linear=linear), 0
        )
        .figures["noun_top1"].percent
        for average in Average
    }  # fmt: skip
    assert top1[Average.features] == 100 > top1[Average.predictions]


def test_items_without_a_class_are_not_tested() -> None:
    test = separable(60, 1)
    labels = test.labels.clone()
    labels[:, 1] = -1
    labels[::2, 0] = -1
    found = evaluate(separable(80, 0), replace(test, labels=labels), Method.sgd, CONFIG, seed=0)
    assert sum(one.num_test for one in found.classes["verb"]) == 30
    assert not {name for name in found.figures if name.startswith("noun")}, "0% would be a finding"
    assert "noun" not in found.classes
    assert "action_top1" not in found.figures


def test_an_action_is_right_if_both_its_verb_and_its_noun_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of six items one lacks a noun, one its verb is wrong, one its noun, one both: 2 of 5."""
    train, test = separable(80, 0), separable(6, 1)
    labels = torch.tensor([[0, 0], [1, 1], [2, 0], [0, 1], [1, 0], [2, -1]])
    answers = torch.tensor([[0, 0], [1, 1], [0, 0], [0, 0], [2, 1], [2, 0]])
    scores = tuple(torch.eye(3)[answers[:, place]] for place in range(2))
    monkeypatch.setattr("replai.evaluation.evaluate.predictions", lambda *_: (scores, {}))
    config = replace(CONFIG, interval=replace(CONFIG.interval, over=Over.action))
    found = evaluate(train, replace(test, labels=labels), Method.sgd, config, seed=0).figures
    assert found["verb_top1"].percent == pytest.approx(100 * 4 / 6)
    assert found["noun_top1"].percent == pytest.approx(100 * 3 / 5)
    assert found["action_top1"].percent == pytest.approx(100 * 2 / 5)
    assert list(found)[-1] == "action_top1" and found["action_top1"].interval is not None


def without_nouns(features: Features) -> Features:
    """All of whose items lack a noun."""
    labels = features.labels.clone()
    labels[:, 1] = -1
    return replace(features, labels=labels)


@pytest.mark.parametrize("method", Method)
@pytest.mark.parametrize("split", ["training", "test"])
def test_a_task_without_labels_in_a_split_is_left_out_by_every_classifier(
    method: Method, split: str
) -> None:
    train, test = separable(80, 0), separable(60, 1)
    if split == "training":
        train = without_nouns(train)
    else:
        test = without_nouns(test)
    found = evaluate(train, test, method, CONFIG, seed=0)
    assert found.figures.keys() == {"verb_top1", "verb_top5", "verb_mean_class"}
    assert found.figures["verb_top1"].percent > 80
    assert found.classes.keys() == {"verb"}
    why = f"no item of the {split} split has a class of the nouns"
    assert found.protocol["actions"]["tasks_left_out"] == {"noun": why}
    json.dumps(found.to_fields())


@pytest.mark.parametrize("method", Method)
def test_splits_without_any_labels_are_refused(method: Method) -> None:
    train, test = separable(80, 0), separable(60, 1)
    for name, splits in (
        ("training", (replace(train, labels=torch.full_like(train.labels, -1)), test)),
        ("test", (train, replace(test, labels=torch.full_like(test.labels, -1)))),
    ):
        with pytest.raises(UserError, match=f"no item of the {name} split has a class of the v"):
            evaluate(*splits, method, CONFIG, seed=0)


@pytest.mark.parametrize("method", [Method.logistic, Method.svm])
def test_a_single_class_is_refused_only_where_it_is_tested(method: Method) -> None:
    train, test = separable(80, 0), separable(60, 1)
    labels = train.labels.clone()
    labels[:, 1] = 0
    train = replace(train, labels=labels)
    with pytest.raises(UserError, match="fewer than two classes of the nouns"):
        evaluate(train, test, method, CONFIG, seed=0)
    assert "verb_top1" in evaluate(train, without_nouns(test), method, CONFIG, seed=0).figures
