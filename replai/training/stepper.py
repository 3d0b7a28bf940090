"""What a batch does to the weights: forward, backward, clip, optimiser, average."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from replai.core.errors import UserError
from replai.objectives import ObjectiveOutput, Rows
from replai.training.average import Average
from replai.training.compute import ComputeConfig, arrange, over_all_ranks, share_statistics
from replai.training.learner import Learner
from replai.training.optim import (
    OptimConfig,
    clip_gradient,
    learning_rate,
    load_optimizer,
    make_optimizer,
    set_learning_rate,
)
from replai.training.ranks import Ranks


class Stepper:
    """One rank's learner and optimiser.

    A step never waits for the device, the host runs ahead; but torch's SyncBatchNorm waits in each
    forward pass, by itself.
    """

    def __init__(
        self,
        learner: Learner,
        compute: ComputeConfig,
        optim: OptimConfig,
        ranks: Ranks,
        num_steps: int,
    ) -> None:
        """Takes over `learner`, with the weights it is to begin with (of the first rank)."""
        arrange(learner, compute, ranks)
        self.learner, self.step = learner, 0
        self.optimizer = make_optimizer(learner, optim, ranks.device)
        self._model = over_all_ranks(learner, ranks)
        self._average = Average(learner, optim.average_decay) if optim.average_decay else None
        self._compute, self._optim = compute, optim
        self._ranks, self._num_steps = ranks, num_steps
        self._nonfinite = torch.zeros((), device=ranks.device)

    def __call__(self, views: Mapping[str, Tensor], rows: Rows) -> tuple[ObjectiveOutput, Tensor]:
        """One step; the loss and the gradient's norm, scalars on the device.

        views: video uint8 [b, 3, T, H, W], audio float32 [b, 1, samples], on the device. Raises
        UserError where BatchNorm would have one number of a channel alone.
        """
        self._model.train()
        rate = learning_rate(self.step, self._num_steps, self._optim)
        set_learning_rate(self.optimizer, rate)
        with self.autocast(), _naming_single_numbers():
            output: ObjectiveOutput = self._model(views, rows)
        self.optimizer.zero_grad(set_to_none=True)
        output.total.backward()  # type: ignore[no-untyped-call]
        norm = clip_gradient(self.learner.parameters(), self._optim.clip_norm)
        self._nonfinite += ~torch.isfinite(norm)
        self.optimizer.step()
        if self._average:
            self._average.update(self.step)
        self.step += 1
        return output, norm

    def autocast(self) -> torch.autocast:
        """The precision of forward passes."""
        return self._compute.autocast(self._ranks.device)

    def is_finite(self) -> bool:
        """Whether every gradient so far was. Waits for the device."""
        return not self._nonfinite.item()

    @contextlib.contextmanager
    def handed_on(self) -> Iterator[dict[str, Tensor]]:
        """The learner holds the weights that are handed on: the average, where there is one.

        Yields those under training by state key, where they are others.
        """
        if self._average is None:
            yield {}
            return
        with self._average.in_place() as live:
            yield live

    @contextlib.contextmanager
    def handed_on_by_first(self) -> Iterator[None]:
        """The learner of each rank holds the weights that the first one hands on: those of
        `handed_on`, with its running statistics of BatchNorm. Collective; the others keep these."""
        with self.handed_on():
            share_statistics(self.learner, self._ranks)
            yield

    @contextlib.contextmanager
    def saved(self) -> Iterator[dict[str, Any]]:
        """The state, valid within the context: `encoders` and `objective` are to be handed on."""
        with self.handed_on() as live:
            yield {
                "encoders": self.learner.encoders.state_dict(),
                "objective": self.learner.objective.state_dict(),
                "live": dict(live),
                "optimizer": self.optimizer.state_dict(),
                "step": self.step,
            }

    def load(self, state: Mapping[str, Any]) -> None:
        """Continues from what was `saved`."""
        self.learner.encoders.load_state_dict(state["encoders"])
        self.learner.objective.load_state_dict(state["objective"])
        if self._average:
            self._average.load(state.get("live", {}))
        load_optimizer(self.optimizer, state["optimizer"])
        self.step = int(state["step"])


@contextlib.contextmanager
def _naming_single_numbers() -> Iterator[None]:
    """What of a small clip passes the encoders at a time is known there alone."""
    try:
        yield
    except ValueError as error:
        if "more than 1 value per channel" not in str(error):
            raise
        raise UserError(
            "BatchNorm has one number of a channel alone, as one small clip passes the encoders at "
            "a time; raise batch_size or data.crop.size_pixels, lower compute.micro_batches, or "
            "set encoders.video.norm=group and encoders.audio.norm=group"
        ) from error
