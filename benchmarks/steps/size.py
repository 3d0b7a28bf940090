"""How large a model, a batch and a turn are."""

from __future__ import annotations

from dataclasses import dataclass, field

from replai.models import AudioEncoderConfig, EncodersConfig, VideoEncoderConfig
from replai.objectives import ObjectiveConfig
from replai.stream.crops import CropConfig


@dataclass(frozen=True, kw_only=True)
class Size:
    """Of one device's benchmark."""

    encoders: EncodersConfig = field(default_factory=EncodersConfig)
    objective: ObjectiveConfig = field(default_factory=ObjectiveConfig)
    crop: CropConfig = field(default_factory=CropConfig)
    batch: int = 128
    """Moments in a batch."""
    steps: int = 20
    """In a turn."""
    rounds: int = 5
    videos: int = 16
    """Of 52 s in the made-up world."""
    fed_steps: int = 30
    """In a turn."""
    fed_rounds: int = 3
    decoded_batches: int = 3
    """From which the CPU of a moment is measured."""
    compiles: bool = True
    """Whether the compiled step takes part."""


FULL = Size()
DEMO = Size(
    encoders=EncodersConfig(
        video=VideoEncoderConfig(width=8, blocks=(1, 1, 1, 1)),
        audio=AudioEncoderConfig(width=8),
        standardise=True,
    ),
    objective=ObjectiveConfig(hidden_dim=128, out_dim=64),
    crop=CropConfig(size_pixels=64, min_short_side=72, max_short_side=96),
    batch=32, steps=4, rounds=5, videos=8, fed_steps=20, fed_rounds=5,
)  # fmt: skip
"""That of configs/demo.yaml."""
TINY = Size(
    encoders=EncodersConfig(
        video=VideoEncoderConfig(width=2, blocks=(1, 1, 1, 1)), audio=AudioEncoderConfig(width=2)
    ),
    objective=ObjectiveConfig(hidden_dim=16, out_dim=8),
    crop=CropConfig(size_pixels=32, min_short_side=32, max_short_side=40),
    batch=4, steps=1, rounds=1, videos=2, fed_steps=2, fed_rounds=2, decoded_batches=1,
    compiles=False,
)  # fmt: skip
SIZES = {"full": FULL, "demo": DEMO, "tiny": TINY}
