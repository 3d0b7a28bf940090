"""Ways to compute a step: the trainer's, the same with one thing changed, and the released code's.

All have the same model with the same weights, and SGD with momentum.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from benchmarks.steps.size import Size
from replai.objectives import ObjectiveOutput, Rows
from replai.training.compute import ComputeConfig, Precision
from replai.training.learner import Learner
from replai.training.optim import OptimConfig
from replai.training.ranks import Ranks
from replai.training.stepper import Stepper

Views = dict[str, Tensor]
Step = Callable[[Views, Rows], ObjectiveOutput]

TRAINER, REFERENCE, COMPILED = "trainer", "reference", "compiled"
CHANGED = {
    COMPILED: ComputeConfig(compile=True),
    "channels_first": ComputeConfig(channels_last=False),
    "float32": ComputeConfig(precision=Precision.float32),
    "micro_batches": ComputeConfig(micro_batches=4),
    "recomputed": ComputeConfig(checkpoint_activations=True),
}
RATE = 1e-4
"""Small: one batch is learnt from again and again."""


def make_steps(size: Size, device: torch.device) -> dict[str, Step]:
    """Name -> step."""
    changed = {n: c for n, c in CHANGED.items() if size.compiles or n != COMPILED}
    return {
        TRAINER: trainers_step(size, ComputeConfig(), device),
        REFERENCE: reference_step(size, device),
        **{name: trainers_step(size, compute, device) for name, compute in changed.items()},
    }


def trainers_step(size: Size, compute: ComputeConfig, device: torch.device) -> Step:
    """A step as train.py makes it."""
    stepper = Stepper(
        Learner(size.encoders, size.objective, seed=0),
        compute,
        OptimConfig(learning_rate=RATE),
        Ranks(0, 1, device),
        num_steps=1_000_000,
    )

    def step(views: Views, rows: Rows) -> ObjectiveOutput:
        output, _ = stepper(views, rows)
        return output

    return step


def reference_step(size: Size, device: torch.device) -> Step:
    """A step with the released code's habits."""
    learner = Learner(size.encoders, size.objective, seed=0).to(device)
    optimizer = torch.optim.SGD(learner.parameters(), lr=RATE, momentum=0.9)

    def step(views: Views, rows: Rows) -> ObjectiveOutput:
        learner.train()
        output: ObjectiveOutput = learner(views, rows)
        optimizer.zero_grad()
        output.total.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        for value in (output.total, *output.terms.values()):
            value.item()
        wait_for(device)
        return output

    return step


def wait_for(device: torch.device) -> None:
    """Returns when the device has nothing left to do."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
