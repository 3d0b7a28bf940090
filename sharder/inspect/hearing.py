"""What one pass over a sound keeps for its picture: a pooled spectrogram and the energy curve."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from replai.core.record import Moment
from replai.core.timeline import Span
from sharder.logmel import BlockLogMel
from sharder.moi import MoiConfig, energy_of, moments_of

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
    """The detector's energy curve; float32 [n], one value each `step_seconds`."""

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
        """The value nearest to `seconds`; 0, the local mean, where the sound does not reach."""
        number = round((seconds - self.start_seconds) / self.step_seconds)
        return float(self.values[number]) if 0 <= number < len(self.values) else 0.0


@dataclass(frozen=True)
class Hearing:
    """A whole sound, and the moments that the detector finds in it."""

    spectrogram: Spectrogram
    curve: Curve
    moments: tuple[Moment, ...]


def hear(blocks: Iterable[NDArray[np.float32]], config: MoiConfig) -> Hearing:
    """The picture and the moments of a sound, in one pass; its first sample is at 0 s.

    `blocks`: as for `detect_moments`, with the same moments. Memory: the energy curve (100 values
    a second) and at most MOST_COLUMNS columns, however long the sound.
    """
    pool = _Pool(MOST_COLUMNS, config.num_bands)
    energy = energy_of(pool.passing(BlockLogMel(config.log_mel).blocks(blocks)), config)
    hop = config.log_mel.hop_samples / config.sample_rate_hz
    centre = config.log_mel.window_samples / config.sample_rate_hz / 2
    values, frames_a_column = pool.columns()
    left = centre - hop / 2
    span = Span(left, left + len(values) * frames_a_column * hop)
    curve = Curve(energy, centre, hop)
    return Hearing(Spectrogram(values, span), curve, tuple(moments_of(energy, config)))


class _Pool:
    """Columns, each the mean of equally many frames: twice as many whenever they get too many."""

    def __init__(self, most: int, num_bands: int) -> None:
        self._most, self._frames_a_column = most, 1
        self._columns = np.empty((0, num_bands), np.float32)
        self._waiting = self._columns
        """Frames that do not fill a column yet."""

    def passing(self, blocks: Iterable[NDArray[np.float32]]) -> Iterator[NDArray[np.float32]]:
        """`blocks`, float32 [n, num_bands] each, each counted as it passes."""
        for block in blocks:
            self._add(block)
            yield block

    def columns(self) -> tuple[NDArray[np.float32], int]:
        """float32 [columns, num_bands], and frames a column. A rest that fills none is left out."""
        return self._columns, self._frames_a_column

    def _add(self, block: NDArray[np.float32]) -> None:
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
