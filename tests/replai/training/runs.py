"""A tiny training run, for the tests of what stands around it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from replai.models import AudioEncoderConfig, EncodersConfig, VideoEncoderConfig
from replai.objectives import ObjectiveConfig
from replai.stream.crops import CropConfig
from replai.stream.loader import StreamConfig
from replai.training.config import DataConfig, RunConfig

TINY_ENCODERS = EncodersConfig(
    video=VideoEncoderConfig(width=4, blocks=(1, 1, 1, 1)), audio=AudioEncoderConfig(width=4)
)
TINY_CROP = CropConfig(size_pixels=32, min_short_side=32, max_short_side=40)


def tiny_run(root: Path, out: Path, **changes: object) -> RunConfig:
    """Two moments a batch, tiny encoders, decoded in the trainer's process."""
    config = RunConfig(
        out=str(out),
        batch_size=2,
        num_epochs=3,
        data=DataConfig(root=str(root), crop=TINY_CROP, stream=StreamConfig(num_workers=0)),
        encoders=TINY_ENCODERS,
        objective=ObjectiveConfig(hidden_dim=16, out_dim=8),
        log_every_steps=1,
        checkpoint_every_steps=1000,
    )
    return replace(config, **changes)  # type: ignore[arg-type]
