"""The crop of a clip, drawn before anything is decoded, so that only its pixels are made."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from replai.core.record import VideoFacts
from replai.media.scale import Geometry


@dataclass(frozen=True, kw_only=True)
class CropConfig:
    """Spatial augmentation. Defaults are RepLAI's: short side U(128, 180), crop 112, flip 0.5."""

    size_pixels: int = 112
    """Side of the square crop that the encoder sees."""
    min_short_side: int = 128
    """The frame is scaled so that its short side is drawn from [min, max]; min in evaluation."""
    max_short_side: int = 180
    flip_probability: float = 0.5

    def __post_init__(self) -> None:
        if not 0 < self.size_pixels <= self.min_short_side <= self.max_short_side:
            raise ValueError(
                f"0 < size_pixels {self.size_pixels} <= min_short_side {self.min_short_side} <= "
                f"max_short_side {self.max_short_side} must hold"
            )
        if not 0 <= self.flip_probability <= 1:
            raise ValueError(f"flip_probability is {self.flip_probability}, outside [0, 1]")


def random_crop(video: VideoFacts, config: CropConfig, draw: np.random.Generator) -> Geometry:
    """A random scale, place and flip of a frame of `video`'s size."""
    short_side = draw.uniform(config.min_short_side, config.max_short_side)
    across, down = draw.uniform(size=2)
    flip = bool(draw.uniform() < config.flip_probability)
    return _crop(video, config.size_pixels, short_side, across, down, flip)


def centre_crop(video: VideoFacts, config: CropConfig) -> Geometry:
    """The evaluation crop: short side `min_short_side`, centre, no flip."""
    return _crop(video, config.size_pixels, config.min_short_side, 0.5, 0.5, False)


def _crop(
    video: VideoFacts, size: int, short_side: float, across: float, down: float, flip: bool
) -> Geometry:
    source_side = size * min(video.width, video.height) / short_side
    return Geometry(
        crop_left=across * (video.width - source_side),
        crop_top=down * (video.height - source_side),
        crop_width=source_side,
        crop_height=source_side,
        out_height=size,
        out_width=size,
        flip=flip,
        source=(video.width, video.height),
    )
