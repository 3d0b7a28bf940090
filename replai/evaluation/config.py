"""Everything a probe run is made of: one YAML file fills this."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from replai.stream.crops import CropConfig
from replai.stream.loader import StreamConfig


class Pool(Enum):
    """How the clips of one action become one feature."""

    mean = "mean"
    """Their mean: the order of the clips is lost."""
    join = "join"
    """One after the other in time, so that a linear classifier sees the change between them."""


@dataclass(frozen=True, kw_only=True)
class LinearConfig:
    """The linear heads. Defaults are the paper's protocol for EPIC-Kitchens-100."""

    learning_rate: float = 0.005
    momentum: float = 0.9
    weight_decay: float = 0.0
    batch_size: int = 128
    num_epochs: int = 30
    drop_at: tuple[float, ...] = (0.6, 0.8)
    """The rate falls to a tenth after these shares of the epochs (18 and 24 of 30)."""

    def __post_init__(self) -> None:
        if self.learning_rate <= 0 or self.batch_size < 1 or self.num_epochs < 1:
            raise ValueError(
                f"learning_rate {self.learning_rate}, batch_size {self.batch_size} and "
                f"num_epochs {self.num_epochs} must be positive"
            )


@dataclass(frozen=True, kw_only=True)
class ProbeConfig:
    """A probe run: a checkpoint's frozen video encoder on labelled actions."""

    checkpoint: str = "???"
    """URL of a checkpoint of train.py."""
    train_root: str = "???"
    """Dataset root with labelled actions to train the heads on."""
    test_root: str = "???"
    """Dataset root of other videos to test them on."""
    out: str = "???"
    """Folder for probe.json and probe.png, and quarantine.jsonl if samples are bad."""
    seed: int = 0
    """Of the heads, and of the random encoder beside the trained one."""
    clips_per_action: int = 2
    clip_seconds: float = 0.5
    num_frames: int = 8
    pool: Pool = Pool.join
    crop: CropConfig = field(default_factory=CropConfig)
    stream: StreamConfig = field(default_factory=StreamConfig)
    linear: LinearConfig = field(default_factory=LinearConfig)
    batch_size: int = 32
    """Actions in one pass of the encoder."""
    cpu_threads: int = 2

    def __post_init__(self) -> None:
        for name in ("clips_per_action", "num_frames", "batch_size", "cpu_threads"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be at least 1")
