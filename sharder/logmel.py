"""Log-mel spectrograms on the processor, in fixed blocks of about a second."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from scipy import fft
from scipy.sparse import csr_array

from sharder.blocks import fixed_blocks

Floats = NDArray[np.float64]

_POWER_FLOOR = 1e-5


@dataclass(frozen=True, kw_only=True)
class LogMelConfig:
    """Rate in Hz, mel bands, length and distance of the frames in seconds."""

    sample_rate_hz: int
    num_bands: int
    window_seconds: float
    hop_seconds: float

    def __post_init__(self) -> None:
        if not 1 <= self.hop_samples <= self.window_samples:
            raise ValueError(f"a hop has at least a sample and at most a window; got {self}")
        if not 1 <= self.num_bands <= self.fft_samples // 4:
            raise ValueError(
                f"num_bands is {self.num_bands}; at most {self.fft_samples // 4} have a bin each "
                f"in a window of {self.window_seconds} s at {self.sample_rate_hz} Hz"
            )

    @property
    def window_samples(self) -> int:
        """Samples of a frame."""
        return round(self.window_seconds * self.sample_rate_hz)

    @property
    def hop_samples(self) -> int:
        """Samples from frame to frame."""
        return round(self.hop_seconds * self.sample_rate_hz)

    @property
    def fft_samples(self) -> int:
        """Length of the transform: the next power of two."""
        return 1 << (self.window_samples - 1).bit_length()

    @property
    def frames_a_block(self) -> int:
        """Frames of a block: those of the second nearest to a whole number of hops."""
        return max(round(self.sample_rate_hz / self.hop_samples), 1)


class BlockLogMel:
    """log10(power + 1e-5) of mel bands: Hann window, |FFT|² unscaled, triangles of height 1.

    The floor lies at white noise of about -72 dB below full scale, so the hiss of a silent
    recording stays flat. The Slaney mel scale (linear below 1 kHz) leaves no band without a bin.
    """

    def __init__(self, config: LogMelConfig) -> None:
        self._config = config
        window = config.window_samples
        hann = 0.5 - 0.5 * np.cos(2 * np.pi * (np.arange(window) + 0.5) / window)
        self._window = hann.astype(np.float32)
        # Two bands have a share in a bin. And BLAS would start threads, for a product this small.
        self._filters = csr_array(mel_filters(config).astype(np.float32))

    def blocks(self, samples: Iterable[NDArray[np.float32]]) -> Iterator[NDArray[np.float32]]:
        """float32 [frames_a_block, num_bands] for each block, fewer frames in the last.

        Frame i covers samples [i * hop, i * hop + window); nothing is padded. What is computed
        together is fixed by the position in the sound alone, so the results are the same bits
        however the samples come in.
        """
        config = self._config
        sizes = config.window_samples, config.hop_samples, config.frames_a_block
        for block in fixed_blocks(samples, *sizes):
            yield self._log_mel(block)

    def _log_mel(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        config = self._config
        frames = sliding_window_view(samples, config.window_samples)[:: config.hop_samples]
        spectrum = fft.rfft(frames * self._window, n=config.fft_samples)
        power = spectrum.real**2 + spectrum.imag**2
        mel: NDArray[np.float32] = np.log10(power @ self._filters + np.float32(_POWER_FLOOR))
        return mel.astype(np.float32, copy=False)


def mel_filters(config: LogMelConfig) -> Floats:
    """Triangular filters of height 1 on the Slaney mel scale, 0 Hz to half the rate.

    float64 [fft_samples // 2 + 1, num_bands].
    """
    top = _mel(np.array(config.sample_rate_hz / 2))
    edges = _hertz(np.linspace(0.0, float(top), config.num_bands + 2))
    bins = np.linspace(0.0, config.sample_rate_hz / 2, config.fft_samples // 2 + 1)[:, None]
    rising = (bins - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - bins) / (edges[2:] - edges[1:-1])
    filters: Floats = np.maximum(0.0, np.minimum(rising, falling))
    return filters


_LINEAR_HZ_A_MEL = 200.0 / 3
_LOG_START_HZ = 1000.0
_LOG_START_MEL = _LOG_START_HZ / _LINEAR_HZ_A_MEL
_LOG_STEP = np.log(6.4) / 27


def _mel(hertz: Floats) -> Floats:
    """Slaney (Auditory Toolbox): linear to 1 kHz, then 27 mels for a factor of 6.4."""
    logarithmic = _LOG_START_MEL + np.log(np.maximum(hertz, 1.0) / _LOG_START_HZ) / _LOG_STEP
    return np.where(hertz < _LOG_START_HZ, hertz / _LINEAR_HZ_A_MEL, logarithmic)


def _hertz(mel: Floats) -> Floats:
    logarithmic = _LOG_START_HZ * np.exp(_LOG_STEP * (mel - _LOG_START_MEL))
    return np.where(mel < _LOG_START_MEL, mel * _LINEAR_HZ_A_MEL, logarithmic)
