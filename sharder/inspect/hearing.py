"""What is kept of a sound for its picture: the detector's curve and a pooled spectrogram."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from replai.core.record import Moment
from replai.core.timeline import Span
from sharder.detectors import Config, Detector, detector_of
from sharder.logmel import BlockLogMel
from sharder.moi import MoiConfig

Blocks = Iterable[NDArray[np.float32]]
LOG_MEL = MoiConfig().log_mel
"""The spectrogram that is drawn, whatever the detector: the paper's, of sound at 16 kHz."""
MOST_COLUMNS = 2000
"""A pooled spectrogram has between half as many and as many columns, however long the sound."""


@dataclass(frozen=True)
class Spectrogram:
    """`values`: float32 [columns, num_bands], log10 of power; the bottom band is the lowest."""

    values: NDArray[np.float32]
    span: Span
    """The time from the left edge of the first column to the right edge of the last."""


@dataclass(frozen=True)
class Curve:
    """The detector's curve; float32 [n], one value each `step_seconds`."""

    values: NDArray[np.float32]
    start_seconds: float
    """Time of the first value."""
    step_seconds: float

    @property
    def seconds(self) -> NDArray[np.float64]:
        """Time of each value; float64 [n]."""
        steps = np.arange(len(self.values), dtype=np.float64)
        times: NDArray[np.float64] = self.start_seconds + steps * self.step_seconds
        return times

    def within(self, span: Span) -> Curve:
        """The values from just before `span` to just after it."""
        first, last = (
            (t - self.start_seconds) / self.step_seconds
            for t in (span.start_seconds, span.stop_seconds)
        )
        low = min(max(int(np.floor(first)), 0), len(self.values))
        values = self.values[low : max(int(np.ceil(last)) + 1, low)]
        return Curve(values, self.start_seconds + low * self.step_seconds, self.step_seconds)

    def at(self, seconds: float) -> float:
        """The value nearest to `seconds`; 0, as of quiet, where the sound does not reach."""
        number = round((seconds - self.start_seconds) / self.step_seconds)
        return float(self.values[number]) if 0 <= number < len(self.values) else 0.0


@dataclass(frozen=True)
class Hearing:
    """A whole sound, and the moments that the detector finds in it."""

    spectrogram: Spectrogram
    curve: Curve
    moments: tuple[Moment, ...]


def hear(sound: Callable[[int], Blocks], native_rate_hz: int, config: Config) -> Hearing:
    """The picture and the moments of a sound, in two passes; its first sample is at 0 s.

    `sound`: sample rate in Hz → the sound at that rate, float32 [n] blocks, mono. The moments are
    those of `sharder detect`. Memory: at most MOST_COLUMNS columns, however long the sound, and the
    curve: 375 values a second at most, 65 MB for 12 h (twice that while it is joined).
    """
    detector = detector_of(config, native_rate_hz)
    curve = curve_of(sound(detector.sample_rate_hz), detector)
    moments = tuple(detector.moments([curve.values]))
    return Hearing(pooled_spectrogram(sound(LOG_MEL.sample_rate_hz)), curve, moments)


def curve_of(blocks: Blocks, detector: Detector) -> Curve:
    """The detector's curve of a whole sound at the detector's rate, its first sample at 0 s."""
    values = np.concatenate([np.empty(0, np.float32), *detector.curve(blocks)])
    first, second = detector.frames.centres(np.arange(2)).tolist()
    return Curve(values, first, second - first)


def pooled_spectrogram(blocks: Blocks) -> Spectrogram:
    """The LOG_MEL of a whole sound, its first sample at 0 s, in MOST_COLUMNS columns at most."""
    pool = _Pool(MOST_COLUMNS, LOG_MEL.num_bands)
    for log_mel in BlockLogMel(LOG_MEL).blocks(blocks):
        pool.add(log_mel)
    values, frames_a_column = pool.columns()
    return Spectrogram(values, columns_span(len(values), frames_a_column, 0.0))


def columns_span(num_columns: int, frames_a_column: int, start_seconds: float) -> Span:
    """Where columns of LOG_MEL's frames lie if the first frame starts at `start_seconds`."""
    hop = LOG_MEL.hop_samples / LOG_MEL.sample_rate_hz
    left = start_seconds + LOG_MEL.window_samples / LOG_MEL.sample_rate_hz / 2 - hop / 2
    return Span(left, left + num_columns * frames_a_column * hop)


class _Pool:
    """Columns, each the mean of equally many frames: twice as many whenever they get too many."""

    def __init__(self, most: int, num_bands: int) -> None:
        self._most, self._frames_a_column = most, 1
        self._columns = np.empty((0, num_bands), np.float32)
        self._waiting = self._columns
        """Frames that do not fill a column yet."""

    def columns(self) -> tuple[NDArray[np.float32], int]:
        """float32 [columns, num_bands], and frames a column. A rest that fills none is left out."""
        return self._columns, self._frames_a_column

    def add(self, block: NDArray[np.float32]) -> None:
        """Takes `block`, float32 [n, num_bands], in."""
        frames = np.concatenate([self._waiting, block])
        whole = len(frames) // self._frames_a_column * self._frames_a_column
        self._waiting = frames[whole:]
        new = _means(frames[:whole], self._frames_a_column)
        self._columns = np.concatenate([self._columns, new])
        while len(self._columns) > self._most:
            self._halve()

    def _halve(self) -> None:
        even = len(self._columns) // 2 * 2
        rest = np.repeat(self._columns[even:], self._frames_a_column, axis=0)
        self._waiting = np.concatenate([rest, self._waiting])
        self._columns = _means(self._columns[:even], 2)
        self._frames_a_column *= 2


def _means(frames: NDArray[np.float32], size: int) -> NDArray[np.float32]:
    grouped = frames.reshape(len(frames) // size, size, frames.shape[1])
    means: NDArray[np.float32] = grouped.mean(1, dtype=np.float32)
    return means
