"""`sgd`: a linear head for each task on fixed features, trained together."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from replai.evaluation.config import LinearConfig
from replai.evaluation.features import Features

LEAST_VARIATION = 1e-6
"""Deviation over mean; what varies less does so by rounding."""


class LinearHeads(nn.Module):
    """One linear classifier a task, on standardised features."""

    mean: Tensor
    std: Tensor

    def __init__(self, mean: Tensor, std: Tensor, num_classes: Sequence[int], seed: int) -> None:
        """`mean` and `std` float32 [D] are those of the training features."""
        super().__init__()
        self.register_buffer("mean", mean)
        self.register_buffer("std", std)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.heads = nn.ModuleList(nn.Linear(len(mean), count) for count in num_classes)

    def forward(self, features: Tensor) -> tuple[Tensor, ...]:
        """Logits [..., classes] of each task for features [..., D]."""
        standard = (features - self.mean) / self.std
        return tuple(head(standard) for head in self.heads)

    @torch.no_grad()
    def predict(self, values: Tensor) -> tuple[Tensor, ...]:
        """Of each task, the softmax averaged over views: [N, classes] for values [N, V, D]."""
        return tuple(logits.softmax(dim=2).mean(dim=1) for logits in self(values))

    def protocol(self) -> dict[str, object]:
        """Nothing was chosen: all stands in the config."""
        return {}


def fit_heads(
    features: Features, num_classes: Sequence[int], config: LinearConfig, seed: int
) -> LinearHeads:
    """Heads trained by SGD on the mean of the tasks' cross-entropies.

    In each epoch an item comes once, in one of its views, drawn anew. Items without a class for a
    task (label -1) do not count for it. Features are standardised with the training set's
    statistics, a deviation from the released code that takes the scale of an encoder's output out
    of the comparison.
    """
    mean, std = standard(features.values)
    heads = LinearHeads(mean, std, num_classes, seed)
    optimizer = torch.optim.SGD(
        heads.parameters(),
        lr=config.learning_rate,
        momentum=config.momentum,
        weight_decay=config.weight_decay,
    )
    milestones = [round(share * config.num_epochs) for share in config.drop_at]
    schedule = torch.optim.lr_scheduler.MultiStepLR(optimizer, milestones)
    draw = torch.Generator().manual_seed(seed)
    num_items, num_views = features.values.shape[:2]
    for _ in range(config.num_epochs):
        rows_in_order = torch.randperm(num_items, generator=draw)
        view = torch.randint(num_views, (num_items,), generator=draw) if num_views > 1 else 0
        values = features.values[torch.arange(num_items), view]
        for rows in torch.split(rows_in_order, config.batch_size):
            optimizer.zero_grad()
            loss = _loss(heads(values[rows]), features.labels[rows])
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        schedule.step()
    return heads


def standard(values: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation, float32 [D] each, of values [N, V, D] over items and views.

    1 for the deviation of what is constant, as a channel that no training item excites: divided by
    next to nothing, a test item that does excite it would be told by that channel alone.
    """
    flat = values.flatten(0, 1)
    mean, std = flat.mean(dim=0), flat.std(dim=0)
    return mean, std.where(std > LEAST_VARIATION * mean.abs(), 1.0)


def _loss(logits: tuple[Tensor, ...], labels: Tensor) -> Tensor:
    losses = [
        F.cross_entropy(scores, labels[:, task], ignore_index=-1)
        for task, scores in enumerate(logits)
        if (labels[:, task] >= 0).any()
    ]
    return torch.stack(losses).mean() if losses else torch.zeros((), requires_grad=True)
