"""Encoders of video and audio, their inputs, and the heads that losses put on them."""

from replai.models.audio_cnn import AudioEncoder, AudioEncoderConfig
from replai.models.encoders import Encoders, EncodersConfig
from replai.models.heads import HeadsConfig, ProjectionHead
from replai.models.inputs import LogMel, LogMelConfig, VideoInput
from replai.models.r2plus1d import VideoEncoder, VideoEncoderConfig

__all__ = [
    "AudioEncoder",
    "AudioEncoderConfig",
    "Encoders",
    "EncodersConfig",
    "HeadsConfig",
    "LogMel",
    "LogMelConfig",
    "ProjectionHead",
    "VideoEncoder",
    "VideoEncoderConfig",
    "VideoInput",
]
