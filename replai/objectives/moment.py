"""What RepLAI's losses share: their settings, the three views of a moment, one encoder pass.

               t-δ-clip       t-δ  t  t+δ       t+δ+clip
video_before ──────[ num_frames )  ●
video_after                        ●  [ num_frames )──────
audio        ──[ t-audio/2         ●         t+audio/2 )──
"""

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from replai.models import Encoders, HeadsConfig, ProjectionHead
from replai.objectives.base import Objective, ObjectiveOutput
from replai.views import AudioView, VideoView

VIDEO_BEFORE, VIDEO_AFTER, AUDIO = "video_before", "video_after", "audio"


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
    """Length of either video clip."""
    num_frames: int = 8
    """Frames in either video clip."""
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

    def __post_init__(self) -> None:
        super().__post_init__()
        positive = ("clip_seconds", "num_frames", "audio_seconds")
        for field in (*positive, "avc_temperature", "astc_temperature"):
            if not getattr(self, field) > 0:
                raise ValueError(f"{field}={getattr(self, field)}, must be > 0")
        for field in ("delta_seconds", "avc_weight", "astc_weight"):
            if not getattr(self, field) >= 0:
                raise ValueError(f"{field}={getattr(self, field)}, must be >= 0")
        if self.avc_weight == self.astc_weight == 0:
            raise ValueError("avc_weight=0 and astc_weight=0, one must be > 0")


@dataclass(frozen=True, kw_only=True)
class MomentFeatures:
    """What the encoders make of a batch of moments."""

    before: Tensor
    """float32 [B, video dim]: the clip before t."""
    after: Tensor
    """float32 [B, video dim]: the clip after t."""
    audio: Tensor
    """float32 [B, audio dim]: the audio around t."""


class MomentObjective(Objective):
    """An objective on the two video clips and the audio of a moment."""

    def __init__(self, config: ObjectiveConfig, encoders: Encoders) -> None:
        super().__init__()
        self.config = config
        self.sample_rate_hz = encoders.log_mel.config.sample_rate_hz

    @property
    def views(self) -> tuple[VideoView, VideoView, AudioView]:
        """The clip before, the clip after, and the audio."""
        config = self.config
        return (
            self._clip(VIDEO_BEFORE, -config.delta_seconds - config.clip_seconds),
            self._clip(VIDEO_AFTER, config.delta_seconds),
            AudioView(
                name=AUDIO,
                start_seconds=-config.audio_seconds / 2,
                duration_seconds=config.audio_seconds,
                sample_rate_hz=self.sample_rate_hz,
            ),
        )

    def forward(self, encoders: Encoders, inputs: Mapping[str, Tensor]) -> ObjectiveOutput:
        """The loss of a batch of moments. Heads and losses compute in float32 under autocast."""
        features = encode_moment(encoders, inputs)
        with torch.autocast(features.audio.device.type, enabled=False):
            return self.compare(features)

    @abstractmethod
    def compare(self, features: MomentFeatures) -> ObjectiveOutput:
        """The loss of features."""

    def _clip(self, name: str, start_seconds: float) -> VideoView:
        return VideoView(
            name=name,
            start_seconds=start_seconds,
            duration_seconds=self.config.clip_seconds,
            num_frames=self.config.num_frames,
        )


def encode_moment(encoders: Encoders, inputs: Mapping[str, Tensor]) -> MomentFeatures:
    """Features of both clips, from one pass over 2B of them, and of the audio."""
    clips = torch.cat((inputs[VIDEO_BEFORE], inputs[VIDEO_AFTER]))
    before, after = encoders.encode_video(clips).float().chunk(2)
    audio = encoders.encode_audio(inputs[AUDIO]).float()
    return MomentFeatures(before=before, after=after, audio=audio)


def projection_head(in_dim: int, config: ObjectiveConfig) -> ProjectionHead:
    """A new head of the configured size on features of `in_dim` numbers."""
    return ProjectionHead(in_dim, config.hidden_dim, config.out_dim)
