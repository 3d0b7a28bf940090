"""From what the stream delivers to what the encoders take, on the device.

video     uint8   [B, 3, T, H, W], 0..255   ── VideoInput ──►  float32 [B, 3, T, H, W]
waveform  float32 [B, 1, samples], -1..1    ── LogMel ──────►  float32 [B, 1, bands, frames]
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torchaudio.transforms import MelSpectrogram

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


class VideoInput(nn.Module):
    """Normalised clips: (video / 255 - mean) / std, with ImageNet's RGB mean and deviation."""

    mean: Tensor
    std: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.memory_format = torch.contiguous_format
        """Layout of what `forward` gives: the encoder's; moved while a pixel is a byte."""
        self.register_buffer("mean", _channels(IMAGENET_MEAN), persistent=False)
        self.register_buffer("std", _channels(IMAGENET_STD), persistent=False)

    def forward(self, video: Tensor) -> Tensor:
        """float32 [B, 3, T, H, W] from uint8 of the same shape; TypeError for another dtype."""
        if video.dtype != torch.uint8:
            raise TypeError(f"video is {video.dtype}, must be torch.uint8")
        pixels = video.contiguous(memory_format=self.memory_format)
        return (pixels.float() / 255 - self.mean) / self.std


@dataclass(frozen=True, kw_only=True)
class LogMelConfig:
    """The spectrogram that the audio encoder sees. The defaults are those of the RepLAI code.

    Raises ValueError for a size below 1, or a std or epsilon that is not positive.
    """

    sample_rate_hz: int = 16000
    """Rate of the waveform; the stream resamples to it."""
    n_fft: int = 512
    """Window and transform length in samples: 32 ms."""
    hop: int = 256
    """Samples between two frames: 16 ms."""
    num_bands: int = 80
    """Mel bands between 0 Hz and half the rate."""
    mean: float = -7.03
    """Mean of the log power over the training set."""
    std: float = 4.66
    """Standard deviation of the log power over the training set."""
    epsilon: float = 1e-10
    """Least power; anything below, silence above all, counts as this."""

    def __post_init__(self) -> None:
        for name in ("sample_rate_hz", "n_fft", "hop", "num_bands"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}={getattr(self, name)}, must be >= 1")
        for name in ("std", "epsilon"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name}={getattr(self, name)}, must be > 0")


class LogMel(nn.Module):
    """Normalised log-mel spectrograms: (ln(max(power, epsilon)) - mean) / std.

    Power of a Hann-windowed short-time Fourier transform without padding, in HTK mel bands: 2 s at
    16 kHz give 124 frames (the paper says 128; the code's settings give 124). Computed in float32
    also under autocast: log power spans more than half precision holds.
    """

    def __init__(self, config: LogMelConfig) -> None:
        super().__init__()
        self.config = config
        self.mel_power = MelSpectrogram(
            sample_rate=config.sample_rate_hz,
            n_fft=config.n_fft,
            hop_length=config.hop,
            n_mels=config.num_bands,
            power=2.0,
            center=False,
        )

    def forward(self, waveform: Tensor) -> Tensor:
        """float32 [B, 1, bands, frames] of a waveform float32 [B, 1, samples] in [-1, 1].

        frames = 1 + (samples - n_fft) // hop; fewer than n_fft samples raise RuntimeError.
        """
        with torch.autocast(waveform.device.type, enabled=False):
            power: Tensor = self.mel_power(waveform.float())
            log_power = power.clamp(min=self.config.epsilon).log()
            return (log_power - self.config.mean) / self.config.std


def _channels(values: tuple[float, float, float]) -> Tensor:
    return torch.tensor(values).view(1, 3, 1, 1, 1)
