"""An exponential moving average of the weights: steadier ones, to hand on and to probe."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor
from torch.optim.swa_utils import get_ema_multi_avg_fn

from replai.training.learner import Learner

WARMUP_STEPS = 10.0


def average_decay(step: int, decay: float) -> float:
    """Decay at step `step` (counted from 0): it grows to `decay`, so that first weights fade."""
    return min(decay, (1 + step) / (WARMUP_STEPS + step))


class Average:
    """The average of a learner's parameters and of its encoders' running statistics.

    It begins as the weights are now. What an objective remembers in buffers is not averaged.
    """

    def __init__(self, learner: Learner, decay: float) -> None:
        self._decay = decay
        self._live = averaged_tensors(learner)
        self._mean = {name: tensor.clone() for name, tensor in self._live.items()}

    def update(self, step: int) -> None:
        """Moves the average towards the weights after step `step` (counted from 0)."""
        decay = average_decay(step, self._decay)
        move = get_ema_multi_avg_fn(decay)  # type: ignore[no-untyped-call]
        move(list(self._mean.values()), list(self._live.values()), None)

    @contextmanager
    def in_place(self) -> Iterator[dict[str, Tensor]]:
        """Puts the average into the learner for a while; yields what was there, by state key."""
        self._swap()
        try:
            yield self._mean
        finally:
            self._swap()

    @torch.no_grad()
    def load(self, live: Mapping[str, Tensor]) -> None:
        """Takes what the learner holds for the average, and puts `live` in its place."""
        for name, tensor in self._live.items():
            self._mean[name].copy_(tensor)
            tensor.copy_(live.get(name, tensor))

    @torch.no_grad()
    def _swap(self) -> None:
        for name, tensor in self._live.items():
            kept = tensor.clone()
            tensor.copy_(self._mean[name])
            self._mean[name].copy_(kept)


def averaged_tensors(learner: Learner) -> dict[str, Tensor]:
    """The tensors that are averaged, by their keys in the learner's state; not copies."""
    parameters = {name: parameter.detach() for name, parameter in learner.named_parameters()}
    statistics = {
        f"encoders.{name}": buffer
        for name, buffer in learner.encoders.named_buffers()
        if name.endswith(("running_mean", "running_var"))
    }
    return {**parameters, **statistics}
