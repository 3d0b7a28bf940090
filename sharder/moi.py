"""Moments of interaction, the paper's recipe: prominent peaks of the log-mel energy of the sound.

Source: Mittal et al., RepLAI, NeurIPS 2022, section 3.1 (interactions are vertical edges of the
log-mel spectrogram: robust local maxima of the energy summed over frequency). Deviations:

- The curve is the mean over bands of the z-normalised log-mel, as in the released code, not the
  sum. So a prominence counts standard deviations, averaged over bands: 1.0 means that the bands
  rose by one local standard deviation on average.
- Each band is normalised over the ~10 s around a frame, not over the pre-cut 10 s segment that
  happens to hold it: no moment depends on where a cut lies.
- Log-mel with log10(power + 1e-5), as the paper says; the code has linear bins, despite the name.
- Distances are in seconds (in the code in bins: 50 ms only at 44.1 kHz). The weaker of two close
  peaks is the less prominent, and only peaks that are prominent enough compete.
- Prominence is measured in a small window, as the paper says; the code measures it globally.
- Moments near the ends of the file are kept: whether the views of a moment fit is for others.

A moment's time is the centre of its peak frame: within hop/2 of a click, and for sounds with an
attack 5 to 15 ms after their onset.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from replai.core.record import Moment
from sharder.logmel import BlockLogMel, Floats, LogMelConfig
from sharder.peaks import Frames, PeakRule, peak_moments


@dataclass(frozen=True, kw_only=True)
class MoiConfig:
    """How moments are found. Prominence counts local standard deviations (mean over bands)."""

    sample_rate_hz: int = 16000
    """Rate of the samples that come in."""
    num_bands: int = 80
    """Mel bands."""
    window_seconds: float = 0.025
    """Length of a spectrogram frame."""
    hop_seconds: float = 0.01
    """Distance of spectrogram frames; the resolution of moments."""
    norm_window_seconds: float = 10.0
    """Each band is normalised by its mean and deviation over this long a window."""
    min_deviation: float = 0.1
    """Floor of a band's deviation, in log10 of power (1 dB): silence stays flat."""
    min_prominence: float = 1.0
    """Peaks below this prominence are ignored."""
    min_distance_seconds: float = 0.05
    """Of peaks less than this apart only the most prominent stays."""
    prominence_window_seconds: float = 1.0
    """A peak's bases are looked for within this window around it."""

    def __post_init__(self) -> None:
        if self.norm_window_seconds < 2 or self.norm_window_seconds % 2:
            raise ValueError(f"norm_window_seconds is {self.norm_window_seconds}; not 2, 4, 6, ...")
        if self.min_deviation <= 0:
            raise ValueError("min_deviation is above 0")
        if self.prominence_window_seconds <= 2 * self.hop_seconds:
            raise ValueError("prominence_window_seconds is too small")
        _ = self.log_mel, self.rule

    @property
    def log_mel(self) -> LogMelConfig:
        """The part that concerns the spectrogram. Raises ValueError if it makes no sense."""
        return LogMelConfig(
            sample_rate_hz=self.sample_rate_hz,
            num_bands=self.num_bands,
            window_seconds=self.window_seconds,
            hop_seconds=self.hop_seconds,
        )

    @property
    def rule(self) -> PeakRule:
        """Which peaks count. Raises ValueError if it makes no sense."""
        return PeakRule(
            min_prominence=self.min_prominence,
            min_distance_seconds=self.min_distance_seconds,
            window_seconds=self.prominence_window_seconds,
        )

    @property
    def frames(self) -> Frames:
        """Where the spectrogram frames lie."""
        return Frames(
            sample_rate_hz=self.sample_rate_hz,
            size_samples=self.log_mel.window_samples,
            hop_samples=self.log_mel.hop_samples,
        )


def detect_moments(blocks: Iterable[NDArray[np.float32]], config: MoiConfig) -> list[Moment]:
    """The moments of a sound in rising order of time; seconds from its first sample.

    `blocks`: float32 [n] each, mono, full scale at 1, of any sizes: how the sound is cut into
    blocks changes no bit of the result. What is no number counts as silence. Memory is that of
    about a minute, however long the sound.

    A sound shorter than the normalisation window is normalised over what there is of it; one
    shorter than three frames (also an empty one), and silence, have no moments.
    """
    return peak_moments(energy_curve(blocks, config), config.frames, config.rule)


def energy_curve(
    blocks: Iterable[NDArray[np.float32]], config: MoiConfig
) -> Iterator[NDArray[np.float32]]:
    """Mean over bands of the locally normalised log-mel; float32 [n] for each second.

    Value i is centred on i * hop + window / 2.
    """
    return _energies(BlockLogMel(config.log_mel).blocks(blocks), config)


def _energies(
    log_mels: Iterator[NDArray[np.float32]], config: MoiConfig
) -> Iterator[NDArray[np.float32]]:
    """float32 [n, num_bands] a second -> float32 [n] a second, `norm_window` / 2 later."""
    half = round(config.norm_window_seconds / 2)
    sums: list[Floats] = []
    waiting: list[NDArray[np.float32]] = []
    first = 0  # index of the block that sums[0] belongs to
    done = 0
    for log_mel in log_mels:
        sums.append(_sums(log_mel))
        waiting.append(log_mel)
        if len(waiting) > half:
            yield _normalised(waiting.pop(0), done, first, sums, config)
            done += 1
            if done - half > first:
                sums.pop(0)
                first += 1
    for log_mel in waiting:
        yield _normalised(log_mel, done, first, sums, config)
        done += 1


def _sums(log_mel: NDArray[np.float32]) -> Floats:
    """Count, sum and sum of squares of each band of a block; float64 [3, num_bands]."""
    values = log_mel.astype(np.float64)
    count = np.full(values.shape[1], float(len(values)))
    return np.stack([count, values.sum(0), (values**2).sum(0)])


def _normalised(
    log_mel: NDArray[np.float32], block: int, first: int, sums: list[Floats], config: MoiConfig
) -> NDArray[np.float32]:
    """Mean over bands of one block's z-scores; float32 [n].

    Mean and deviation are those of the window around the block's start, moving linearly to
    those of the window around its end, so that the curve has no steps.

        |  half blocks  | block |  half blocks  |
        [--- window at start ---)
                [--- window at its end ---------)
    """
    half = round(config.norm_window_seconds / 2)
    low = _statistics(sums, block - half - first, block + half - first, config)
    high = _statistics(sums, block + 1 - half - first, block + 1 + half - first, config)
    weight = (np.arange(len(log_mel)) / config.log_mel.frames_a_block)[:, None]
    mean, deviation = low + weight[None] * (high - low)
    scores: NDArray[np.float32] = ((log_mel - mean) / deviation).mean(1).astype(np.float32)
    return scores


def _statistics(sums: list[Floats], start: int, stop: int, config: MoiConfig) -> Floats:
    """Mean and floored deviation over blocks [start, stop); float64 [2, 1, num_bands]."""
    count, total, squares = np.sum(sums[max(start, 0) : stop], axis=0)
    mean = total / count
    deviation = np.sqrt(np.maximum(squares / count - mean**2, 0.0))
    return np.stack([mean, np.maximum(deviation, config.min_deviation)])[:, None]
