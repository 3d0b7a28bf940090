"""The normalisation layers that the encoders choose from."""

import math
from typing import Literal, get_args

from torch import nn

Norm = Literal["batch", "group"]

GROUP_CHANNELS = 16


def norm_layer(norm: Norm, channels: int, spatial_dims: Literal[2, 3]) -> nn.Module:
    """A layer with affine `weight` and `bias` [channels] for x [B, channels, *spatial].

    "batch" is BatchNorm, as published. "group" is GroupNorm (Wu and He, ECCV 2018) with 16
    channels a group where that divides `channels`: a deviation, and not compatible with released
    weights, but each sample is then normalised alone, so that a result does not depend on how the
    batch is split over ranks.
    """
    if norm == "group":
        return nn.GroupNorm(math.gcd(channels, max(1, channels // GROUP_CHANNELS)), channels)
    return nn.BatchNorm3d(channels) if spatial_dims == 3 else nn.BatchNorm2d(channels)


def check_norm(norm: str) -> None:
    """Raise ValueError unless `norm` names a normalisation layer."""
    if norm not in get_args(Norm):
        raise ValueError(f"norm={norm!r}, must be one of {', '.join(get_args(Norm))}")
