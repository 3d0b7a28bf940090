"""Moments of interaction as bursts: times at which all parts of the spectrum rise at once.

The default detector. The paper finds interactions as vertical edges of the spectrogram; so does
this, but it asks how much of the spectrum rises rather than how much energy there is:

    samples → |FFT|² of short frames → 32 bands of equal width, dB
            → rise of each over its own noise floor, limited to 5 dB → mean over bands → peaks

- A knock is short and reaches high; a voice or a gliding tone is loud in a few bands. As no band
  counts for more than 5 dB, loud and narrow does not pass for broad.
- A band's noise floor is its median level over the ~10 s around, so hum, hiss and a change of
  background tell nothing, however loud.
- Sound is taken at its own rate: what is above 8 kHz tells knocks from all else. Frames count
  samples, not seconds (5.8 ms at 44.1 kHz), so that the curve scatters alike at every rate.
- Of a frame's loudest band a millionth (60 dB less) counts as floor of the others: what leaks into
  them of a loud tone scatters, and is no rise.
- Bands in which nothing is ever heard (a codec's cut-off, sound that was sampled up) are left out;
  the mean is scaled so that noise scatters as it does with all bands.

A moment's time is the centre of its frame, within 2 ms of a click at 44.1 kHz. Its prominence is
in dB: 1.7 means that the bands, each so limited, rose by 1.7 dB on average; 5 is the most.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from replai.core.record import Moment
from sharder.blocks import fixed_blocks
from sharder.peaks import Curve, Frames, PeakRule, peak_moments

Levels = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class BurstConfig:
    """How bursts are found."""

    frame_samples: int = 256
    """Length of a spectrogram frame; frames are half of it apart."""
    num_bands: int = 32
    """Bands of equal width, from 0 Hz to half the rate."""
    norm_window_seconds: float = 10.0
    """A band's noise floor is its median over this long a window."""
    floor_db: float = -70.0
    """Level of white noise, dB re full scale, below which all is silence."""
    most_rise_db: float = 5.0
    """What a single band can add at most; half of it is taken almost in full."""
    min_prominence: float = 1.7
    """Peaks below this prominence are ignored; dB, mean over bands."""
    min_distance_seconds: float = 0.05
    """Of peaks less than this apart only the most prominent stays."""
    prominence_window_seconds: float = 1.0
    """A peak's bases are looked for within this window around it."""

    def __post_init__(self) -> None:
        if self.num_bands < 1 or self.frame_samples % (2 * self.num_bands):
            raise ValueError(
                f"num_bands is {self.num_bands}; half of {self.frame_samples} is no multiple of it"
            )
        if self.norm_window_seconds < 2 or self.norm_window_seconds % 2:
            raise ValueError(f"norm_window_seconds is {self.norm_window_seconds}; not 2, 4, 6, ...")
        if not (np.isfinite(self.floor_db) and self.most_rise_db > 0):
            raise ValueError("floor_db is a number and most_rise_db is above 0")
        if not self.prominence_window_seconds >= 0.1:
            raise ValueError("prominence_window_seconds is at least 0.1")
        _ = self.rule

    @property
    def rule(self) -> PeakRule:
        """Which peaks count. Raises ValueError if it makes no sense."""
        return PeakRule(
            min_prominence=self.min_prominence,
            min_distance_seconds=self.min_distance_seconds,
            window_seconds=self.prominence_window_seconds,
        )

    def frames(self, sample_rate_hz: int) -> Frames:
        """Where the frames lie at that rate."""
        return Frames(
            sample_rate_hz=sample_rate_hz,
            size_samples=self.frame_samples,
            hop_samples=self.frame_samples // 2,
        )


def detect_bursts(
    blocks: Iterable[NDArray[np.float32]], sample_rate_hz: int, config: BurstConfig
) -> list[Moment]:
    """The moments of a sound in rising order of time; seconds from its first sample.

    `blocks`: float32 [n] each, mono, full scale at 1, of any sizes: how the sound is cut into
    blocks changes no bit of the result. What is no number counts as silence. Memory is that of
    about a minute, however long the sound. Silence, and what is shorter than three frames (also
    nothing), has no moments.
    """
    curve = burst_curve(blocks, sample_rate_hz, config)
    return peak_moments(curve, config.frames(sample_rate_hz), config.rule)


def burst_curve(
    blocks: Iterable[NDArray[np.float32]], sample_rate_hz: int, config: BurstConfig
) -> Iterator[Curve]:
    """Mean rise of the bands over their noise floors in dB; float32 [n] for each second.

    Value i is centred on sample (i + 1) * frame_samples / 2.
    """
    frames = config.frames(sample_rate_hz)
    frames_a_block = max(round(frames.count(1.0)), 1)
    half = round(config.norm_window_seconds / 2)
    spectrum = _Spectrum(config)
    waiting: list[Levels] = []
    summaries: list[Levels] = []
    place = 0  # in `summaries`, of the block that comes next
    for samples in fixed_blocks(blocks, frames.size_samples, frames.hop_samples, frames_a_block):
        waiting.append(spectrum.levels(samples))
        summaries.append(_summary(waiting[-1]))
        if len(waiting) > half:
            yield _rise(waiting.pop(0), summaries, config)
            place += 1
            if place > half:
                summaries.pop(0)
                place -= 1
    for levels in waiting:
        yield _rise(levels, summaries[max(place - half, 0) :], config)
        place += 1


class _Spectrum:
    """Levels of the bands of each frame."""

    def __init__(self, config: BurstConfig) -> None:
        self._size, self._num_bands = config.frame_samples, config.num_bands
        self._window = _window(config.frame_samples)
        bins_a_band = config.frame_samples // (2 * config.num_bands)
        self._scale = np.float32(1 / (np.sum(self._window**2) * bins_a_band))
        self._silence = np.float32(10 ** (config.floor_db / 10))
        self._frames = np.empty((0, config.frame_samples), np.float32)

    def levels(self, samples: NDArray[np.float32]) -> Levels:
        """dB of the bands; white noise of power p is at 10 log10 p; float32 [num_bands, frames]."""
        frames = self._windowed(samples)
        # Frames along the last axis from here on: all that follows runs along it.
        spectrum = fft.rfft(frames.T, axis=0)[1:]  # without 0 Hz, which any offset fills
        parts = spectrum.view(np.float32).reshape(self._num_bands, -1, 2 * len(frames))
        squares = np.einsum("bpf,bpf->bf", parts, parts)
        bands = squares[:, 0::2] + squares[:, 1::2]  # power: of real and imaginary parts
        levels: Levels = np.float32(10) * np.log10(bands * self._scale + self._silence)
        return levels

    def _windowed(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """Half-overlapping frames times the window; float32 [frames, frame_samples]."""
        half = self._size // 2
        halves = samples[: len(samples) // half * half].reshape(-1, half)
        if len(self._frames) < len(halves) - 1:  # kept: fresh memory is slow
            self._frames = np.empty((len(halves) - 1, self._size), np.float32)
        frames = self._frames[: len(halves) - 1]
        np.multiply(halves[:-1], self._window[:half], out=frames[:, :half])
        np.multiply(halves[1:], self._window[half:], out=frames[:, half:])
        return frames


def _window(size: int) -> Levels:
    """Flat, with cosine ends of an eighth each: overlapped by half, no click falls between."""
    from_end = np.minimum(np.arange(size), np.arange(size)[::-1]) + 0.5
    window: Levels = (np.sin(np.pi / 2 * np.minimum(8 * from_end / size, 1.0)) ** 2).astype(
        np.float32
    )
    return window


def _summary(levels: Levels) -> Levels:
    """Median and maximum of each band over a block; float32 [2, num_bands]."""
    ordered = np.sort(levels, axis=1)
    return ordered[:, [levels.shape[1] // 2, -1]].T


def _rise(levels: Levels, summaries: list[Levels], config: BurstConfig) -> Curve:
    """Mean rise over the noise floors of the blocks around; float32 [n]."""
    around = np.array(summaries)
    floors = np.sort(around[:, 0], axis=0)[len(around) // 2]
    heard = around[:, 1].max(axis=0) > config.floor_db + _HEARD_DB
    rises = np.maximum(levels - _with_leaks(floors[:, None], levels), 0.0)
    weights = heard / np.sqrt(max(int(heard.sum()), 1) * config.num_bands)
    # Not `@`: BLAS would start threads, for a product this small.
    limited = _limited(rises, np.float32(config.most_rise_db))
    curve: Curve = np.einsum("b,bf->f", weights.astype(np.float32), limited)
    return curve


def _with_leaks(floors: Levels, levels: Levels) -> Levels:
    """The floors, raised to what a tone in the loudest band leaks; [num_bands, 1 or frames]."""
    leaked = levels.max(axis=0) - _LEAKED_DB
    return np.maximum(floors, leaked) if leaked.max() > floors.min() else floors


def _limited(rises: Levels, most: np.float32) -> Levels:
    """Small rises as they are, large ones just below `most`, and never out of order.

    So the peak of a knock far above the noise is still where it is loudest.
    """
    limited: Levels = rises / np.sqrt(1 + (rises / most) ** 2)
    return limited


_LEAKED_DB = np.float32(60.0)
"""What other bands have of a tone is at least this far below it."""
_HEARD_DB = 3.0
"""A band in which nothing is this far above silence within the window is not heard."""
