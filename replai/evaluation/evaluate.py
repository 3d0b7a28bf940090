"""Features of a training and a test split → what a linear classifier makes of them.

train = action_features({"a": load_encoders(url), …}, open_index(root), clips, device)
test = …
evaluate(train["a"], test["a"], Method.logistic, ScoringConfig(), seed)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from replai.core.config import config_dict
from replai.core.errors import UserError
from replai.evaluation.classes import refuse_large_id
from replai.evaluation.config import Average, IntervalConfig, Method, ScoringConfig
from replai.evaluation.features import Features, Task
from replai.evaluation.linear import fit_heads
from replai.evaluation.penalised import fit_logistic, fit_svm
from replai.evaluation.scores import (
    ClassAccuracy,
    Estimate,
    accuracy,
    class_accuracies,
    groups_of,
    mean_class_accuracy,
    top_k_hits,
)

TOP = (1, 5)


class Heads(Protocol):
    """A fitted classifier a task."""

    def predict(self, values: Tensor) -> tuple[Tensor, ...]:
        """Of each task, scores float32 [N, classes] for values [N, V, D]; higher is likelier."""

    def protocol(self) -> dict[str, object]:
        """What was chosen on the training split."""


@dataclass(frozen=True)
class Outcome:
    """What features were found to be worth, and how that was found."""

    figures: Mapping[str, Estimate] = field(default_factory=dict)
    """`verb_top1`, `verb_top5`, `verb_mean_class`, the same of each other task, `action_top1`."""
    classes: Mapping[str, tuple[ClassAccuracy, ...]] = field(default_factory=dict)
    """Task → each class of the test split, the most frequent first."""
    protocol: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    """Protocol of the figures, by what was classified: `actions`, `sounds`."""

    def to_fields(self) -> dict[str, Any]:
        """As JSON: the figures in percent, and below them intervals, classes and protocol."""
        return {
            **{name: one.percent for name, one in self.figures.items()},
            "intervals": {name: one.interval for name, one in self.figures.items()},
            "classes": {task: [asdict(one) for one in all_] for task, all_ in self.classes.items()},
            "protocol": dict(self.protocol),
        }

    def told(self, more: Mapping[str, object]) -> Outcome:
        """The same with `more` of the protocol, in front."""
        protocol = {what: {**more, **said} for what, said in self.protocol.items()}
        return replace(self, protocol=protocol)

    def and_also(self, other: Outcome) -> Outcome:
        """Both in one."""
        return Outcome(
            {**self.figures, **other.figures},
            {**self.classes, **other.classes},
            {**self.protocol, **other.protocol},
        )


def evaluate(
    train: Features, test: Features, method: Method, config: ScoringConfig, seed: int
) -> Outcome:
    """Fits on `train`, tests on `test`. Features are used as they are: frozen.

    A task is left out that either split has no class for, whatever the method. Raises UserError if
    that leaves none, and for a training split that `method` cannot be fitted on.
    """
    left_out = unlabelled_tasks(train, test)
    if len(left_out) == len(test.tasks):
        raise UserError(f"{'; '.join(left_out.values())}; nothing can be told")
    places = [place for place, task in enumerate(test.tasks) if task.name not in left_out]
    train, test = train.of_tasks(places), test.of_tasks(places)
    scores, chosen = predictions(train, test, method, config, seed)
    groups = groups_of(test.origins, config.interval.over)
    outcome = Outcome()
    for place, task in enumerate(test.tasks):
        labels = test.labels[:, place].numpy()
        outcome = outcome.and_also(
            task_outcome(
                task, scores[place], labels, train.labels[:, place].numpy(), groups,
                config.interval, seed,
            )
        )  # fmt: skip
    if len(test.tasks) > 1:
        outcome = outcome.and_also(_whole_actions(scores, test, groups, config.interval, seed))
    told = {
        **method_protocol(method, config, seed),
        **chosen,
        "views": train.values.shape[1],
        "num_train": len(train),
        "num_test": len(test),
        "num_left_out": train.num_left_out + test.num_left_out,
        "tasks_left_out": left_out,
        "interval": interval_protocol(config.interval, groups),
    }
    return replace(outcome, protocol={"actions": told})


def _whole_actions(
    scores: Sequence[Tensor],
    test: Features,
    groups: NDArray[np.int64],
    config: IntervalConfig,
    seed: int,
) -> Outcome:
    """`action_top1`: verb and noun both right, of the items that have a class of both.

    As in EPIC-Kitchens-100 (Damen et al., IJCV 2022), where an action is the pair and its score the
    product of both: the likeliest pair is the likeliest verb with the likeliest noun.
    """
    known = (test.labels >= 0).all(dim=1)
    if not known.any():
        return Outcome()
    right = torch.stack(
        [top_k_hits(one, test.labels[:, place], 1) for place, one in enumerate(scores)]
    ).all(dim=0)
    hits = right[known].numpy()
    return Outcome({"action_top1": accuracy(hits, groups[known.numpy()], config, seed)})


def unlabelled_tasks(train: Features, test: Features) -> dict[str, str]:
    """Task → why nothing can be told of it, of those that either split has no class for."""
    splits = (("test", test), ("training", train))
    return {
        task.name: f"no item of the {name} split has a class of the {task.name}s"
        for place, task in enumerate(test.tasks)
        for name, split in splits
        if not (split.labels[:, place] >= 0).any()
    }


def predictions(
    train: Features, test: Features, method: Method, config: ScoringConfig, seed: int
) -> tuple[tuple[Tensor, ...], dict[str, object]]:
    """Of each task the scores [N, classes] of the test items; and what was chosen to get them."""
    if config.average is Average.features:
        train, test = train.averaged(), test.averaged()
    heads = fitted_heads(train, _num_classes(train, test), method, config, seed)
    return heads.predict(test.values), heads.protocol()


def fitted_heads(
    features: Features, num_classes: Sequence[int], method: Method, config: ScoringConfig, seed: int
) -> Heads:
    """The classifiers that `method` fits on `features`."""
    if method is Method.logistic:
        return fit_logistic(features, num_classes, config.logistic, seed)
    if method is Method.svm:
        return fit_svm(features, num_classes, config.svm, seed)
    return fit_heads(features, num_classes, config.linear, seed)


def task_outcome(
    task: Task,
    scores: Tensor,
    labels: NDArray[np.int64],
    train_labels: NDArray[np.int64],
    groups: NDArray[np.int64],
    config: IntervalConfig,
    seed: int,
    folds: NDArray[np.int64] | None = None,
) -> Outcome:
    """The figures of one task, of which an item has a class. Items without (-1) do not count.

    `folds` int64 [N]: top-1 and top-5 are then means over the folds.
    """
    known = labels >= 0
    scores, labels, groups = scores[known], labels[known], groups[known]
    parts = np.zeros(len(labels), np.int64) if folds is None else folds[known]
    answers = Tensor(labels).long()
    hits = {k: top_k_hits(scores, answers, k).numpy() for k in TOP}
    figures = {
        f"{task.name}_top{k}": mean_class_accuracy(hits[k], parts, groups, config, seed)
        if folds is not None
        else accuracy(hits[k], groups, config, seed)
        for k in TOP
    }
    balanced = mean_class_accuracy(hits[1], labels, groups, config, seed)
    figures[f"{task.name}_mean_class"] = balanced
    classes = class_accuracies(hits[1], labels, train_labels, dict(task.classes))
    return Outcome(figures, {task.name: classes})


def method_protocol(method: Method, config: ScoringConfig, seed: int) -> dict[str, object]:
    """What the config says of a method."""
    settings = {
        Method.sgd: config.linear, Method.logistic: config.logistic, Method.svm: config.svm,
    }[method]  # fmt: skip
    return {
        "classifier": method.value,
        **config_dict(settings),
        "average": config.average.value,
        "standardised": True,
        "seed": seed,
    }


def interval_protocol(config: IntervalConfig, groups: NDArray[np.int64]) -> dict[str, object]:
    """How the intervals were found."""
    return {
        "kind": "percentile bootstrap",
        "confidence": config.confidence,
        "num_resamples": config.num_resamples,
        "over": config.over.value,
        "num_groups": len(np.unique(groups)),
    }


def _num_classes(*splits: Features) -> list[int]:
    """One more than the highest class id that any of the splits knows, for each task. Raises
    UserError for ids that are no numbering."""
    highest = [
        max([0, *(one for split in splits for one in split.tasks[place].classes),
             *(int(split.labels[:, place].max()) for split in splits if len(split))])
        for place in range(len(splits[0].tasks))
    ]  # fmt: skip
    for task, class_id in zip(splits[0].tasks, highest, strict=True):
        refuse_large_id(task.name, class_id)
    return [1 + class_id for class_id in highest]
