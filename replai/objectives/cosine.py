"""Unit vectors, so that dot products are cosine similarities."""

from torch import Tensor
from torch.nn import functional

LEAST_NORM = 1e-4


def unit(x: Tensor) -> Tensor:
    """x [..., D] divided by its norm over D, or by 1e-4 if that is more: float, in [-1, 1].

    The floor bounds the gradient by 1e4. Two clips of black or frozen frames have exactly equal
    features, and the direction of their difference has no gradient that means anything.
    """
    return functional.normalize(x, dim=-1, eps=LEAST_NORM)
