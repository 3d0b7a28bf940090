"""A memory bank: one unit vector an item of the training set, a running mean of its embeddings.

Every rank holds the whole bank and puts in what all ranks have computed, so that banks stay alike,
any number of ranks can resume from one of them, and looking up a memory asks no other rank. It
takes N x D floats: 0.5 GB for a million items and 128 numbers each.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from replai.core.seeding import generator
from replai.objectives.cosine import unit


class MemoryBank(nn.Module):
    """`vectors` float32 [N, D], unit length, random at first: a pure function of seed and name."""

    vectors: Tensor

    def __init__(self, num_items: int, dim: int, seed: int, name: str) -> None:
        super().__init__()
        draw = generator(seed, 0, 0, f"memory/{name}")
        random = torch.from_numpy(draw.standard_normal((num_items, dim), np.float32))
        self.register_buffer("vectors", unit(random))

    def forward(self, items: Tensor) -> Tensor:
        """float32 [..., D]: a copy of the memories of items int64 [...]."""
        return self.vectors[items]

    @torch.no_grad()
    def update(self, items: Tensor, embeddings: Tensor, momentum: float) -> None:
        """m = normalize(momentum m + (1 - momentum) e), for items int64 [n] of all ranks.

        embeddings: float [n, D], unit length. Rows of one item count as their mean, so that
        neither their order nor their spread over ranks matters.
        """
        same = items[:, None] == items
        weights = same.float()
        means = weights @ embeddings.float() / weights.sum(dim=1, keepdim=True)
        renewed = unit(momentum * self.vectors[items] + (1 - momentum) * means)
        self.vectors[items] = renewed[weights.argmax(dim=1)]  # one item, one value, bit for bit


def draw_others(
    positions: NDArray[np.int64], num_items: int, num_draws: int, *, seed: int, epoch: int
) -> NDArray[np.int64]:
    """int64 [B, num_draws] for positions int64 [B]: even draws, with replacement, of num_items - 1.

    A pure function of seed, epoch and position: whatever rank draws, draws the same. Rows of one
    position, the moments of one visit, share their draws. `skip_own` makes items of them.
    """
    draws = [
        generator(seed, epoch, int(position), "negatives").integers(num_items - 1, size=num_draws)
        for position in positions
    ]
    return np.stack(draws)


def skip_own(draws: Tensor, items: Tensor) -> Tensor:
    """int64 [B, K]: draws of 0..N-2 as items of 0..N-1 without the row's own, items int64 [B]."""
    return draws + (draws >= items[:, None])
