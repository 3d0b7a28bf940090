"""`logistic` and `svm`: scikit-learn's linear classifiers, their penalty chosen on training data.

For each task by itself: features are standardised, each view is an example, classifiers of all
strengths C are fitted on most of the training split's videos and tried on the rest of them; the
best C (of equals the smallest) is then fitted on the whole training split.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from joblib import parallel_config
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier
from sklearn.svm import LinearSVC
from torch import Tensor

from replai.core.errors import UserError
from replai.core.progress import with_progress
from replai.core.seeding import generator
from replai.evaluation.config import PenaltyConfig
from replai.evaluation.features import Features, Task
from replai.evaluation.linear import standard
from replai.evaluation.scores import top_k_hits

Make = Callable[[float], Any]
"""Strength C → an estimator of scikit-learn, not yet fitted."""


@dataclass(frozen=True)
class _Fitted:
    estimator: Any
    num_classes: int
    strength: float
    converged: bool

    def predict(self, values: NDArray[np.float32]) -> Tensor:
        """Scores float32 [N, classes] of standardised values [N, V, D], averaged over views.

        Probabilities, or an SVM's decision values. Of a class that training never saw: -inf.
        """
        num_items, num_views, dim = values.shape
        of_views = _scores(self.estimator, values.reshape(-1, dim))
        mean = of_views.reshape(num_items, num_views, -1).mean(axis=1)
        scores = torch.full((num_items, self.num_classes), -torch.inf)
        scores[:, self.estimator.classes_] = torch.from_numpy(mean).float()
        return scores


@dataclass(frozen=True)
class PenalisedHeads:
    """A linear classifier a task, on standardised features."""

    mean: Tensor
    std: Tensor
    tasks: tuple[Task, ...]
    fitted: tuple[_Fitted, ...]

    def predict(self, values: Tensor) -> tuple[Tensor, ...]:
        """Of each task, scores [N, classes] for values [N, V, D]."""
        standardised = ((values - self.mean) / self.std).numpy()
        return tuple(one.predict(standardised) for one in self.fitted)

    def protocol(self) -> dict[str, object]:
        """The strength C of each task, and whether its fit came to its end."""
        named = list(zip((task.name for task in self.tasks), self.fitted, strict=True))
        return {
            "C": {name: one.strength for name, one in named},
            "converged": {name: one.converged for name, one in named},
        }


def fit_logistic(
    features: Features, num_classes: Sequence[int], config: PenaltyConfig, seed: int
) -> PenalisedHeads:
    """Multinomial logistic regression with an L2 penalty, by L-BFGS."""

    def make(strength: float) -> LogisticRegression:
        return LogisticRegression(C=strength, max_iter=config.max_iterations)

    return _fit(make, "logistic", features, num_classes, config, seed)


def fit_svm(
    features: Features, num_classes: Sequence[int], config: PenaltyConfig, seed: int
) -> PenalisedHeads:
    """One-vs-all linear SVMs with squared hinge loss and an L2 penalty, by liblinear.

    Classes are fitted in as many threads as torch has.
    """

    def make(strength: float) -> OneVsRestClassifier:
        one = LinearSVC(
            C=strength, dual="auto", max_iter=config.max_iterations, random_state=seed % 2**32
        )
        return OneVsRestClassifier(one, n_jobs=torch.get_num_threads())

    return _fit(make, "svm", features, num_classes, config, seed)


def _fit(
    make: Make,
    name: str,
    features: Features,
    num_classes: Sequence[int],
    config: PenaltyConfig,
    seed: int,
) -> PenalisedHeads:
    mean, std = standard(features.values)
    values = ((features.values - mean) / std).numpy()
    fitted = []
    for place, task in enumerate(features.tasks):
        labels = features.labels[:, place].numpy()
        if len(set(labels[labels >= 0].tolist())) < 2:
            raise UserError(f"the training split has fewer than two classes of the {task.name}s")
        held_out = held_out_items(features.origins, labels >= 0, config.held_out, seed)
        strength = _chosen(make, name, task.name, values, labels, held_out, config)
        fitted.append(_fitted(make, strength, values, labels, num_classes[place]))
    return PenalisedHeads(mean, std, features.tasks, tuple(fitted))


def held_out_items(
    origins: NDArray[np.str_], known: NDArray[np.bool_], share: float, seed: int
) -> NDArray[np.bool_]:
    """bool [N]: the items of a random `share` of the origins that have `known` items; of one at
    least, if there are two."""
    names = np.unique(origins[known])
    count = min(max(1, round(share * len(names))), len(names) - 1)
    chosen = generator(seed, 0, 0, "held out").permutation(names)[:count]
    held_out: NDArray[np.bool_] = np.isin(origins, chosen)
    return held_out


def _chosen(
    make: Make,
    name: str,
    task: str,
    values: NDArray[np.float32],
    labels: NDArray[np.int64],
    held_out: NDArray[np.bool_],
    config: PenaltyConfig,
) -> float:
    """The strength of the highest top-1 accuracy on the held-out items."""
    if len(config.strengths) == 1:
        return float(config.strengths[0])
    known = labels >= 0
    fits, tries = known & ~held_out, known & held_out
    if len(set(labels[fits])) < 2 or not tries.any():
        raise UserError(
            f"{name}, {task}: too little is labelled to hold videos out and choose among "
            f"{len(config.strengths)} strengths; give one alone, as in {name}.strengths=[1.0]"
        )
    count = int(labels.max()) + 1
    answers = torch.from_numpy(labels[tries])
    found = []
    for strength in with_progress(config.strengths, len(config.strengths), f"{name}, {task}"):
        one = _fitted(make, strength, values[fits], labels[fits], count)
        found.append(float(top_k_hits(one.predict(values[tries]), answers, 1).float().mean()))
    return float(config.strengths[int(np.argmax(found))])


def _fitted(
    make: Make,
    strength: float,
    values: NDArray[np.float32],
    labels: NDArray[np.int64],
    num_classes: int,
) -> _Fitted:
    known = labels >= 0
    _, num_views, dim = values.shape
    with warnings.catch_warnings(record=True) as said, parallel_config(backend="threading"):
        warnings.simplefilter("always", ConvergenceWarning)
        estimator = make(strength).fit(
            values[known].reshape(-1, dim), np.repeat(labels[known], num_views)
        )
    converged = not any(issubclass(one.category, ConvergenceWarning) for one in said)
    return _Fitted(estimator, num_classes, strength, converged)


def _scores(estimator: Any, values: NDArray[np.float32]) -> NDArray[np.float64]:
    """[rows, classes]: probabilities where the estimator has them, else decision values."""
    if hasattr(estimator, "predict_proba"):
        return np.asarray(estimator.predict_proba(values))
    decision = np.asarray(estimator.decision_function(values))
    return decision if decision.ndim == 2 else np.stack([-decision, decision], axis=1)
