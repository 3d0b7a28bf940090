"""What RepLAI's losses share: the three views of a moment, one encoder pass.

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

from replai.models import Encoders, ProjectionHead
from replai.objectives.base import Objective, ObjectiveOutput, Rows
from replai.objectives.config import ObjectiveConfig
from replai.views import AudioView, VideoView

VIDEO_BEFORE, VIDEO_AFTER, AUDIO = "video_before", "video_after", "audio"


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

    def forward(
        self, encoders: Encoders, inputs: Mapping[str, Tensor], rows: Rows | None = None
    ) -> ObjectiveOutput:
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
    """Features of both clips, from one pass over 2B of them, and of the audio.

    A moment's clips are neighbours: where the encoders take a batch in parts, both are in one, so
    that BatchNorm's statistics of a part do not tell before from after.
    """
    clips = torch.stack((inputs[VIDEO_BEFORE], inputs[VIDEO_AFTER]), dim=1).flatten(0, 1)
    features = encoders.encode_video(clips).float()
    before, after = features[0::2], features[1::2]
    audio = encoders.encode_audio(inputs[AUDIO]).float()
    return MomentFeatures(before=before, after=after, audio=audio)


def projection_head(
    in_dim: int, config: ObjectiveConfig, num_hidden_layers: int = 1
) -> ProjectionHead:
    """A new head of the configured size on features of `in_dim` numbers."""
    return ProjectionHead(in_dim, config.hidden_dim, config.out_dim, num_hidden_layers)
