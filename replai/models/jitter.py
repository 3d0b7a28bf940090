"""Colour jitter on the device: each moment's brightness, contrast and saturation, drawn by name.

factors   float32 [B, 3]           brightness, contrast, saturation; 1 changes nothing
video     uint8   [B, 3, T, H, W]  ── jittered ──►  uint8 [B, 3, T, H, W]
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import astuple, dataclass

import torch
from torch import Tensor

from replai.core.seeding import generator

LUMA = (0.299, 0.587, 0.114)
"""Weights of red, green and blue in grey (ITU-R BT.601)."""


@dataclass(frozen=True, kw_only=True)
class JitterConfig:
    """Strengths s: each factor is uniform in [1 - s, 1 + s]. RepLAI's code has none: all are 0.

    Raises ValueError for a strength outside 0..1.
    """

    brightness: float = 0.0
    contrast: float = 0.0
    saturation: float = 0.0

    def __post_init__(self) -> None:
        for name, strength in vars(self).items():
            if not 0 <= strength <= 1:
                raise ValueError(f"jitter.{name} is {strength}, outside 0..1")

    @property
    def is_on(self) -> bool:
        """Whether there is anything to draw."""
        return any(astuple(self))


def draw_factors(config: JitterConfig, seed: int, epoch: int, positions: Sequence[int]) -> Tensor:
    """Factors of the moments at `positions`, float32 [B, 3]; a pure function of its arguments.

    Moments of one visit share its position; each has its own draw. All clips of a moment get the
    same: another colour after than before would be a change that no sound explains.
    """
    strengths = torch.tensor(astuple(config), dtype=torch.float64)
    seen: Counter[int] = Counter()
    draws = []
    for position in positions:
        draw = generator(seed, epoch, position, f"jitter/{seen[position]}")
        draws.append(torch.from_numpy(draw.uniform(-1.0, 1.0, 3)))
        seen[position] += 1
    return (1 + strengths * torch.stack(draws)).float()


def jittered(video: Tensor, factors: Tensor) -> Tensor:
    """`video` with its brightness, contrast and saturation changed, in this order, and rounded.

    factors: float32 [B, 3], on the video's device.
    As torchvision's `adjust_brightness`, `adjust_contrast` and `adjust_saturation` do, a row at a
    time with its own factors; the grey that contrast is measured from is the mean of a frame.
    """
    brightness, contrast, saturation = factors.view(-1, 3, 1, 1, 1, 1).unbind(1)
    pixels = (video.float() * brightness).clamp(0, 255)
    pixels = _blended(pixels, _grey(pixels).mean((3, 4), keepdim=True), contrast)
    pixels = _blended(pixels, _grey(pixels), saturation)
    return pixels.round().to(torch.uint8)


def _grey(pixels: Tensor) -> Tensor:
    parts = [weight * pixels[:, i : i + 1] for i, weight in enumerate(LUMA)]
    return parts[0] + parts[1] + parts[2]  # numbers of the host: a tensor of them is a slow copy


def _blended(pixels: Tensor, other: Tensor, factor: Tensor) -> Tensor:
    return (factor * pixels + (1 - factor) * other).clamp(0, 255)
