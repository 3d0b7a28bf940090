"""Settings of the objectives: one group for all, as one run has one of them."""

import math
from dataclasses import dataclass, field

from replai.models import HeadsConfig


@dataclass(frozen=True, kw_only=True)
class AVIDConfig:
    """Settings of `replai.objectives.avid`; the defaults are Cross-AVID as published.

    Raises ValueError for a temperature or number of negatives that is not positive, a negative
    weight, two weights of 0, or a momentum outside [0, 1).
    """

    cross_weight: float = 1.0
    """Weight of a clip against the memory of the other modality. Cross: 1 and 0 of the next."""
    self_weight: float = 0.0
    """Weight of a clip against the memory of its own modality. Self: 0 and 1; Joint: 1 and 1."""
    temperature: float = 0.07
    """τ of the scores."""
    num_negatives: int = 1024
    """K: memories that each row is contrasted with, drawn evenly from all other items."""
    memory_momentum: float = 0.5
    """Share of the old memory in m = normalize(momentum m + (1 - momentum) e)."""

    def __post_init__(self) -> None:
        for name in ("temperature", "num_negatives"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name}={getattr(self, name)}, must be > 0")
        for name in ("cross_weight", "self_weight"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name}={getattr(self, name)}, must be >= 0")
        if self.cross_weight == self.self_weight == 0:
            raise ValueError("cross_weight=0 and self_weight=0, one must be > 0")
        if not 0 <= self.memory_momentum < 1:
            raise ValueError(f"memory_momentum={self.memory_momentum}, outside [0, 1)")


@dataclass(frozen=True, kw_only=True)
class ObjectiveConfig(HeadsConfig):
    """Which objective, its views, weights and temperatures, and the size of its heads.

    The defaults are the paper's. Raises ValueError for a time, count or temperature that is not
    positive (delta may be 0), a negative weight, or two weights of 0.
    """

    name: str = "replai"
    """A key of `replai.objectives.OBJECTIVES`."""
    delta_seconds: float = 0.1
    """δ: from the end of the clip before to t, and from t to the start of the clip after."""
    clip_seconds: float = 0.5
    """Length of a video clip."""
    num_frames: int = 8
    """Frames in a video clip."""
    audio_seconds: float = 2.0
    """Length of the audio clip, centred on t."""
    avc_weight: float = 1.0
    """Weight of correspondence in "replai"; 0 leaves it out, with its heads."""
    astc_weight: float = 1.0
    """Weight of state change in "replai"; 0 leaves it out, with its heads."""
    avc_temperature: float = 0.07
    """τ of correspondence (Eq. 4)."""
    astc_temperature: float = 0.2
    """τ of state change (Eq. 2 and 3)."""
    difference_head: bool = True
    """Whether a further head stands on the difference of clips; see `replai.objectives.astc`."""
    avid: AVIDConfig = field(default_factory=AVIDConfig)
    """What "avid" alone needs."""

    def __post_init__(self) -> None:
        super().__post_init__()
        positive = ("clip_seconds", "num_frames", "audio_seconds")
        for name in (*positive, "avc_temperature", "astc_temperature"):
            if not 0 < getattr(self, name) < math.inf:
                raise ValueError(f"{name}={getattr(self, name)}, must be > 0 and finite")
        for name in ("delta_seconds", "avc_weight", "astc_weight"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ValueError(f"{name}={getattr(self, name)}, must be >= 0 and finite")
        if self.avc_weight == self.astc_weight == 0:
            raise ValueError("avc_weight=0 and astc_weight=0, one must be > 0")
