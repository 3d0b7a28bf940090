"""Both encoders with their inputs: what an objective and a probe are given."""

from dataclasses import dataclass, field

from torch import Tensor, nn

from replai.models.audio_cnn import AudioEncoder, AudioEncoderConfig
from replai.models.inputs import LogMel, LogMelConfig, VideoInput
from replai.models.r2plus1d import VideoEncoder, VideoEncoderConfig
from replai.models.recompute import in_parts


@dataclass(frozen=True, kw_only=True)
class EncodersConfig:
    """Sizes of both encoders and the spectrogram between waveform and audio encoder."""

    video: VideoEncoderConfig = field(default_factory=VideoEncoderConfig)
    """Size of the video encoder."""
    audio: AudioEncoderConfig = field(default_factory=AudioEncoderConfig)
    """Size of the audio encoder."""
    log_mel: LogMelConfig = field(default_factory=LogMelConfig)
    """Waveform to spectrogram."""
    standardise: bool = False
    """Whether features are standardised over the batch (BatchNorm without weights): a deviation.
    What all features of an untrained encoder share outweighs by far what tells them apart, so the
    losses, which compare directions, begin on a plateau; without the shared part they do not.
    """


class Encoders(nn.Module):
    """The video and the audio encoder, from raw batches to features.

    State keys: `video.*` and `audio.*` as in the released checkpoints, and `log_mel.*`, constants.
    """

    def __init__(self, config: EncodersConfig) -> None:
        super().__init__()
        self.config = config
        self.num_parts = 1
        """Parts in which a training batch passes the encoders; see `replai.models.recompute`."""
        self.video_input = VideoInput()
        self.log_mel = LogMel(config.log_mel)
        self.video = VideoEncoder(config.video)
        self.audio = AudioEncoder(config.audio)
        self.standard_video, self.standard_audio = (
            nn.BatchNorm1d(encoder.feature_dim, affine=False) if config.standardise else None
            for encoder in (self.video, self.audio)
        )

    def encode_video(self, video: Tensor) -> Tensor:
        """Features float [B, video.feature_dim] of video uint8 [B, 3, T, H, W]."""
        features = in_parts(self._of_video, video, self.num_parts, self.video)
        return _standardised(features, self.standard_video)

    def encode_audio(self, waveform: Tensor) -> Tensor:
        """Features float [B, audio.feature_dim] of waveform float32 [B, 1, samples] in [-1, 1]."""
        features = in_parts(self._of_audio, waveform, self.num_parts, self.audio)
        return _standardised(features, self.standard_audio)

    def _of_video(self, video: Tensor) -> Tensor:
        features: Tensor = self.video(self.video_input(video))
        return features

    def _of_audio(self, waveform: Tensor) -> Tensor:
        features: Tensor = self.audio(self.log_mel(waveform))
        return features


def _standardised(features: Tensor, norm: nn.Module | None) -> Tensor:
    if norm is None:
        return features
    standard: Tensor = norm(features.float())
    return standard
