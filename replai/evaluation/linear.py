"""Linear verb and noun heads on fixed features, and their top-1 and top-5 accuracy."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from replai.evaluation.config import LinearConfig
from replai.evaluation.features import Features

TASKS = ("verb", "noun")


class LinearHeads(nn.Module):
    """One linear classifier a task, on standardised features."""

    mean: Tensor
    std: Tensor

    def __init__(self, mean: Tensor, std: Tensor, num_classes: tuple[int, ...], seed: int) -> None:
        """`mean` and `std` float32 [D] are those of the training features."""
        super().__init__()
        self.register_buffer("mean", mean)
        self.register_buffer("std", std)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.heads = nn.ModuleList(nn.Linear(len(mean), count) for count in num_classes)

    def forward(self, features: Tensor) -> tuple[Tensor, ...]:
        """Logits [B, classes] of each task for features [B, D]."""
        standard = (features - self.mean) / self.std
        return tuple(head(standard) for head in self.heads)


def fit_heads(
    features: Features, num_classes: tuple[int, ...], config: LinearConfig, seed: int
) -> LinearHeads:
    """Heads trained by SGD on the mean of the tasks' cross-entropies.

    Actions without a class for a task (label -1) do not count for it. Features are standardised
    with the training set's statistics, a deviation from the released code that takes the scale
    of an encoder's output out of the comparison.
    """
    std = features.values.std(dim=0).clamp_min(1e-6)
    heads = LinearHeads(features.values.mean(dim=0), std, num_classes, seed)
    optimizer = torch.optim.SGD(
        heads.parameters(),
        lr=config.learning_rate,
        momentum=config.momentum,
        weight_decay=config.weight_decay,
    )
    milestones = [round(share * config.num_epochs) for share in config.drop_at]
    schedule = torch.optim.lr_scheduler.MultiStepLR(optimizer, milestones)
    draw = torch.Generator().manual_seed(seed)
    for _ in range(config.num_epochs):
        rows_in_order = torch.randperm(len(features.values), generator=draw)
        for rows in torch.split(rows_in_order, config.batch_size):
            optimizer.zero_grad()
            loss = _loss(heads(features.values[rows]), features.labels[rows])
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        schedule.step()
    return heads


def _loss(logits: tuple[Tensor, ...], labels: Tensor) -> Tensor:
    losses = [
        F.cross_entropy(scores, labels[:, task], ignore_index=-1)
        for task, scores in enumerate(logits)
        if (labels[:, task] >= 0).any()
    ]
    return torch.stack(losses).mean() if losses else torch.zeros((), requires_grad=True)


@torch.no_grad()
def accuracies(heads: LinearHeads, features: Features) -> dict[str, float]:
    """`verb_top1`, `verb_top5`, `noun_top1`, `noun_top5` in percent."""
    figures: dict[str, float] = {}
    for task, scores in enumerate(heads(features.values)):
        labels = features.labels[:, task]
        for k in (1, 5):
            share = top_k_share(scores[labels >= 0], labels[labels >= 0], k)
            figures[f"{TASKS[task]}_top{k}"] = 100 * share
    return figures


def top_k_share(scores: Tensor, labels: Tensor, k: int) -> float:
    """Share of rows of `scores` [N, C] whose label is among their k highest; 0 for no rows."""
    if not len(labels):
        return 0.0
    best = scores.topk(min(k, scores.shape[1]), dim=1).indices
    return float((best == labels[:, None]).any(dim=1).float().mean())
