"""Encoders, settings and batches small enough for tests."""

import torch
from torch import Tensor

from replai.models import AudioEncoderConfig, Encoders, EncodersConfig, VideoEncoderConfig
from replai.objectives import AVIDConfig, ObjectiveConfig, Rows

SETTINGS = {
    "num_frames": 2, "audio_seconds": 0.125, "hidden_dim": 12, "out_dim": 6,
    "avid": AVIDConfig(num_negatives=5),
}  # fmt: skip
NUM_ITEMS = 20


def small_encoders() -> Encoders:
    video = VideoEncoderConfig(width=2, blocks=(1, 1, 1, 1), norm="group")
    return Encoders(EncodersConfig(video=video, audio=AudioEncoderConfig(width=3, norm="group")))


def small_config(**settings: object) -> ObjectiveConfig:
    return ObjectiveConfig(**{**SETTINGS, **settings})  # type: ignore[arg-type]


def small_batch(size: int, seed: int = 0) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    clips = torch.randint(0, 256, (2, size, 3, 2, 32, 32), dtype=torch.uint8, generator=generator)
    audio = torch.rand(size, 1, 2000, generator=generator) * 2 - 1
    return {
        "video_before": clips[0], "video_after": clips[1], "video": clips[0], "audio": audio
    }  # fmt: skip


def small_rows(size: int, seed: int = 0) -> Rows:
    """Rows of visits of two moments each, so that items and positions come in pairs."""
    generator = torch.Generator().manual_seed(seed)
    items = torch.randperm(NUM_ITEMS, generator=generator)[: (size + 1) // 2]
    pairs = torch.arange(size) // 2
    return Rows(items=items[pairs], positions=7 + pairs, epoch=1)
