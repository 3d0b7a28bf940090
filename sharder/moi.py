"""Moments of interaction: prominent local peaks of the log-mel energy of the sound.

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

import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.signal import find_peaks

from replai.core.record import Moment
from sharder.logmel import BlockLogMel, Floats, LogMelConfig


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
        if min(self.min_deviation, self.min_prominence) <= 0:
            raise ValueError("min_deviation and min_prominence are above 0")
        if self.min_distance_seconds < 0 or self.prominence_window_seconds <= 2 * self.hop_seconds:
            raise ValueError("min_distance_seconds or prominence_window_seconds is too small")
        _ = self.log_mel

    @property
    def log_mel(self) -> LogMelConfig:
        """The part that concerns the spectrogram. Raises ValueError if it makes no sense."""
        return LogMelConfig(
            sample_rate_hz=self.sample_rate_hz,
            num_bands=self.num_bands,
            window_seconds=self.window_seconds,
            hop_seconds=self.hop_seconds,
        )


def detect_moments(blocks: Iterable[NDArray[np.float32]], config: MoiConfig) -> list[Moment]:
    """The moments of a sound in rising order of time; seconds from its first sample.

    `blocks`: float32 [n] each, mono, full scale at 1, of any sizes: how the sound is cut into
    blocks changes no bit of the result. Streams: keeps the energy curve (100 values a second)
    and the spectrogram of about `norm_window_seconds`.

    A sound shorter than the normalisation window is normalised over what there is of it; one
    shorter than three frames (also an empty one), and silence, have no moments.
    """
    return moments_of(energy_curve(blocks, config), config)


def moments_of(energy: NDArray[np.float32], config: MoiConfig) -> list[Moment]:
    """The moments of a sound whose `energy_curve` is `energy`, in rising order of time."""
    log_mel = config.log_mel
    peaks, prominences = _prominent_peaks(energy, config)
    kept = _apart(peaks, prominences, log_mel.hop_samples, config)
    centres = (peaks[kept] * log_mel.hop_samples + log_mel.window_samples / 2) / (
        config.sample_rate_hz
    )
    return [
        Moment(seconds=seconds, prominence=prominence)
        for seconds, prominence in zip(centres.tolist(), prominences[kept].tolist(), strict=True)
    ]


def energy_curve(blocks: Iterable[NDArray[np.float32]], config: MoiConfig) -> NDArray[np.float32]:
    """Mean over bands of the locally normalised log-mel; float32 [num_frames].

    Frame i is centred on i * hop + window / 2.
    """
    return energy_of(BlockLogMel(config.log_mel).blocks(blocks), config)


def energy_of(log_mels: Iterator[NDArray[np.float32]], config: MoiConfig) -> NDArray[np.float32]:
    """The energy curve of a sound whose spectrogram comes in `BlockLogMel`'s blocks."""
    curve = list(_energies(log_mels, config))
    return np.concatenate(curve) if curve else np.empty(0, np.float32)


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


def _prominent_peaks(
    energy: NDArray[np.float32], config: MoiConfig
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Frames of the local maxima that are prominent enough, and their prominences."""
    hop = config.log_mel.hop_samples / config.sample_rate_hz
    window = round(config.prominence_window_seconds / hop)
    with warnings.catch_warnings():  # silence that is longer than the window is a peak of none
        warnings.filterwarnings("ignore", message="some peaks have a prominence of 0")
        peaks, found = find_peaks(energy, prominence=config.min_prominence, wlen=window)
    return peaks.astype(np.int64), found["prominences"]


def _apart(
    peaks: NDArray[np.int64], prominences: NDArray[np.float64], hop_samples: int, config: MoiConfig
) -> NDArray[np.bool_]:
    """Which peaks stay: of any two closer than the least distance, the more prominent.

    From the most prominent down, each removes its weaker neighbours; the earlier wins a tie.
    """
    least = config.min_distance_seconds * config.sample_rate_hz / hop_samples - 1e-9
    kept = np.ones(len(peaks), np.bool_)
    for strong in np.argsort(-prominences, kind="stable").tolist():
        if kept[strong]:
            low = np.searchsorted(peaks, peaks[strong] - least, side="right")
            high = np.searchsorted(peaks, peaks[strong] + least, side="left")
            kept[low:strong] = kept[strong + 1 : high] = False
    return kept
