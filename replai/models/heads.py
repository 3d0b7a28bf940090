"""Projection heads: what stands between an encoder's features and a loss."""

from dataclasses import dataclass
from itertools import pairwise

from torch import nn


@dataclass(frozen=True, kw_only=True)
class HeadsConfig:
    """Size of the projection heads. The defaults are the released model's.

    Raises ValueError for a width below 1.
    """

    hidden_dim: int = 512
    """Width of a head's hidden layer."""
    out_dim: int = 128
    """Width of the embeddings in which the losses compare."""

    def __post_init__(self) -> None:
        if self.hidden_dim < 1:
            raise ValueError(f"hidden_dim={self.hidden_dim}, must be >= 1")
        if self.out_dim < 1:
            raise ValueError(f"out_dim={self.out_dim}, must be >= 1")


class ProjectionHead(nn.Sequential):
    """Embeddings: x float32 [B, in_dim] -> float32 [B, out_dim], by Linear, (ReLU, Linear)+.

    Not normalised. One hidden layer, state keys `0.*` and `2.*`, and Xavier-uniform weights, as in
    the released RepLAI code; AVID's heads have two hidden layers: `0.*`, `2.*` and `4.*`.
    """

    def __init__(
        self, in_dim: int, hidden_dim: int, out_dim: int, num_hidden_layers: int = 1
    ) -> None:
        dims = [in_dim, *[hidden_dim] * num_hidden_layers, out_dim]
        linears = [nn.Linear(dim_in, dim_out) for dim_in, dim_out in pairwise(dims)]
        for linear in linears:
            nn.init.xavier_uniform_(linear.weight)
        hidden = [module for linear in linears[:-1] for module in (linear, nn.ReLU())]
        super().__init__(*hidden, linears[-1])
