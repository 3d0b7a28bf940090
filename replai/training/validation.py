"""What the weights that are handed on make of held-out moments."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from replai.stream.collate import AVBatch
from replai.training.feed import Placed
from replai.training.stepper import Stepper


@dataclass(frozen=True)
class HeldOut:
    """One rank's findings."""

    means: dict[str, Tensor]
    """The objective's terms and metrics, scalars: means over all batches."""
    first: AVBatch
    """The first batch, on the host: the same after each epoch."""
    moments: dict[str, Tensor]
    """`ObjectiveOutput.moments` of the first batch."""


@torch.no_grad()
def held_out(stepper: Stepper, batches: Iterable[Placed]) -> HeldOut:
    """Findings on `batches`, at least one, of the weights that the first rank hands on.

    Collective; the weights stay as they were.
    """
    stepper.learner.eval()
    sums: dict[str, Tensor] = {}
    firsts: list[tuple[AVBatch, dict[str, Tensor]]] = []
    count = 0
    with stepper.handed_on_by_first(), stepper.autocast():
        for placed in batches:
            output = stepper.learner(placed.views)
            for name, value in {**output.terms, **output.metrics}.items():
                sums[name] = sums.get(name, torch.zeros_like(value)) + value
            firsts = firsts or [(placed.batch, output.moments)]
            count += 1
    ((first, moments),) = firsts
    return HeldOut({name: value / count for name, value in sums.items()}, first, moments)
