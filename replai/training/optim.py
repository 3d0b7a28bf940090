"""The optimiser (the paper's SGD, or AdamW) and a learning rate that is a function of the step."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Any

import torch
from torch import Tensor, nn


class Algorithm(Enum):
    """How gradients become steps."""

    sgd = "sgd"
    """Stochastic gradient descent with momentum, the paper's choice."""
    adamw = "adamw"
    """Adam with decoupled weight decay: gets a small model going in minutes."""


@dataclass(frozen=True, kw_only=True)
class OptimConfig:
    """The optimiser and its schedule. SGD's momentum stays at 0.9 as in the paper.

    The released code cycles it from 0.95 to 0.85 and back, steps the rate once an epoch, and has
    a weight decay of 0.0001 on all weights; here the rate follows every step: a linear warm-up,
    then half a cosine towards `final_fraction`, and the decay is 0 if not set.
    """

    algorithm: Algorithm = Algorithm.sgd
    learning_rate: float = 0.005
    """Peak rate (0.005 for EPIC-Kitchens-100, 0.05 for Ego4D in the paper)."""
    momentum: float = 0.9
    """Of SGD; AdamW keeps its usual 0.9 and 0.999."""
    weight_decay: float = 0.0
    """On weights of two or more dimensions; biases and norms are left alone."""
    warmup_fraction: float = 0.1
    """Share of all steps in which the rate rises."""
    final_fraction: float = 0.01
    """Rate over the peak that the cosine would have one step past the last: a long run ends next to
    it, one of a few steps well above it."""
    clip_norm: float = 0.0
    """Largest norm of the gradient; 0 leaves it as it is."""
    fused: bool = True
    """One kernel for all weights, on GPUs; the CPU takes torch's default."""
    average_decay: float = 0.0
    """Share of the old average in an exponential moving average of the weights, which is then what
    is probed, validated and handed on (0.999 is usual); 0: none.
    """

    def __post_init__(self) -> None:
        if not 0 < self.learning_rate < math.inf:
            raise ValueError(
                f"learning_rate is {self.learning_rate}; it must be positive, and finite"
            )
        for name in ("momentum", "warmup_fraction", "final_fraction", "average_decay"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} is {getattr(self, name)}, outside [0, 1]")
        for name in ("weight_decay", "clip_norm"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ValueError(
                    f"{name} is {getattr(self, name)}; it must be 0 or more, and finite"
                )


def learning_rate(step: int, num_steps: int, config: OptimConfig) -> float:
    """Rate of step `step` of `num_steps` (counted from 0)."""
    warmup = config.warmup_fraction * num_steps
    if step < warmup:
        return config.learning_rate * (step + 1) / (warmup + 1)
    progress = (step - warmup) / max(1.0, num_steps - warmup)
    cosine = (1 + math.cos(math.pi * min(1.0, progress))) / 2
    return config.learning_rate * (config.final_fraction + (1 - config.final_fraction) * cosine)


def make_optimizer(
    module: nn.Module, config: OptimConfig, device: torch.device
) -> torch.optim.Optimizer:
    """The optimiser over `module`, weight decay on its weights only."""
    parameters = [p for p in module.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": config.weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
    fused = True if config.fused and device.type == "cuda" else None
    if config.algorithm is Algorithm.adamw:
        return torch.optim.AdamW(groups, lr=config.learning_rate, fused=fused)
    return torch.optim.SGD(groups, lr=config.learning_rate, momentum=config.momentum, fused=fused)


def load_optimizer(optimizer: torch.optim.Optimizer, state: dict[str, Any]) -> None:
    """Loads `state`, laid out in memory as the weights are now: fused steps want both alike.

    Whether steps are fused, `optimizer` says, not the run that wrote `state`, perhaps elsewhere.
    """
    pairs = zip(state["param_groups"], optimizer.param_groups, strict=True)
    groups = [{**theirs, "fused": ours["fused"]} for theirs, ours in pairs]
    optimizer.load_state_dict({**state, "param_groups": groups})
    for parameter, values in optimizer.state.items():
        for name, value in values.items():
            if isinstance(value, Tensor) and value.shape == parameter.shape:
                values[name] = torch.empty_like(parameter, dtype=value.dtype).copy_(value)


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Sets the rate of all parameter groups."""
    for group in optimizer.param_groups:
        group["lr"] = rate


def clip_gradient(parameters: Iterable[nn.Parameter], clip_norm: float) -> Tensor:
    """Norm of the gradient before it is clipped to `clip_norm` (0: not clipped); a scalar."""
    with_gradient = [p for p in parameters if p.grad is not None]
    norm = nn.utils.get_total_norm([p.grad for p in with_gradient if p.grad is not None])
    if clip_norm:
        nn.utils.clip_grads_with_norm_(with_gradient, clip_norm, norm)
    return norm
