"""Features made up for the tests of classifiers."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F

from replai.evaluation.features import Features, Task

TASKS = (Task("verb", {0: "open", 1: "close", 2: "put"}), Task("noun", {0: "jar", 1: "box"}))


def separable(count: int, seed: int, num_views: int = 1, noise: float = 0.05) -> Features:
    """Verb in the first three dimensions, noun in the others, scales that differ by 1000.

    Ten items a video; the noise of each view is its own.
    """
    draw = torch.Generator().manual_seed(seed)
    labels = torch.stack([torch.randint(3, (count,), generator=draw) for _ in range(2)], dim=1)
    signal = torch.cat([1000 * F.one_hot(labels[:, 0], 3), F.one_hot(labels[:, 1], 3)], dim=1)
    scale = torch.tensor([1000.0] * 3 + [1.0] * 3)
    values = signal[:, None].float().repeat(1, num_views, 1)
    values += noise * scale * torch.randn(values.shape, generator=draw)
    origins = np.array([f"P{i // 20:02d}_{i // 10}" for i in range(count)])
    return Features(values, labels, origins, TASKS)
