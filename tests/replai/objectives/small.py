"""Encoders, settings and batches small enough for tests."""

import torch
from torch import Tensor

from replai.models import AudioEncoderConfig, Encoders, EncodersConfig, VideoEncoderConfig
from replai.objectives import ObjectiveConfig

SETTINGS = {"num_frames": 2, "audio_seconds": 0.125, "hidden_dim": 12, "out_dim": 6}


def small_encoders() -> Encoders:
    video = VideoEncoderConfig(width=2, blocks=(1, 1, 1, 1), norm="group")
    return Encoders(EncodersConfig(video=video, audio=AudioEncoderConfig(width=3, norm="group")))


def small_config(**settings: object) -> ObjectiveConfig:
    return ObjectiveConfig(**{**SETTINGS, **settings})  # type: ignore[arg-type]


def small_batch(size: int, seed: int = 0) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    clips = torch.randint(0, 256, (2, size, 3, 2, 32, 32), dtype=torch.uint8, generator=generator)
    audio = torch.rand(size, 1, 2000, generator=generator) * 2 - 1
    return {"video_before": clips[0], "video_after": clips[1], "audio": audio}
