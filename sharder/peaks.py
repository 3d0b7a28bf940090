"""Peaks of a curve over time, as moments: prominent enough, and not too close to each other."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.signal import find_peaks

from replai.core.record import Moment

Curve = NDArray[np.float32]
_STRETCH_SECONDS = 60.0


@dataclass(frozen=True, kw_only=True)
class Frames:
    """Where the values of a curve lie: value i covers samples [i * hop, i * hop + size)."""

    sample_rate_hz: int
    size_samples: int
    hop_samples: int

    def count(self, seconds: float) -> float:
        """That many hops last `seconds`."""
        return seconds * self.sample_rate_hz / self.hop_samples

    def centres(self, frames: NDArray[np.int64]) -> NDArray[np.float64]:
        """Seconds from the first sample to the middle of each frame."""
        return (frames * self.hop_samples + self.size_samples / 2) / self.sample_rate_hz


@dataclass(frozen=True, kw_only=True)
class PeakRule:
    """Which peaks count."""

    min_prominence: float
    """Peaks below this prominence are ignored; in the curve's unit."""
    min_distance_seconds: float
    """Of peaks less than this apart only the most prominent stays."""
    window_seconds: float
    """A peak's bases are looked for within this window around it."""

    def __post_init__(self) -> None:
        if not self.min_prominence > 0:
            raise ValueError(f"min_prominence is {self.min_prominence}; it is above 0")
        if not self.min_distance_seconds >= 0:
            raise ValueError(f"min_distance_seconds is {self.min_distance_seconds}; not below 0")


def peak_moments(curve: Iterable[Curve], frames: Frames, rule: PeakRule) -> list[Moment]:
    """The peaks that count, in rising order of time, each at the centre of its frame.

    `curve`: float32 [n] each, pieces of one curve. Keeps a minute of it.
    """
    peaks, prominences = prominent_peaks(
        curve,
        rule.min_prominence,
        window=round(frames.count(rule.window_seconds)),
        stretch=round(frames.count(_STRETCH_SECONDS)),
    )
    kept = apart(peaks, prominences, frames.count(rule.min_distance_seconds))
    pairs = zip(frames.centres(peaks[kept]).tolist(), prominences[kept].tolist(), strict=True)
    return [Moment(seconds=seconds, prominence=prominence) for seconds, prominence in pairs]


def prominent_peaks(
    curve: Iterable[Curve], min_prominence: float, window: int, stretch: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Places of the local maxima that are prominent enough, and their prominences.

    Bases are looked for within `window` values around a peak. The curve is searched stretch by
    stretch, each with a window more on either side, which changes nothing but the memory.
    """
    found = [(np.empty(0, np.int64), np.empty(0))]
    for first, start, stop, values in _stretches(curve, stretch, margin=window):
        with warnings.catch_warnings():  # silence that is longer than the window is a peak of none
            warnings.filterwarnings("ignore", message="some peaks have a prominence of 0")
            peaks, told = find_peaks(
                values, height=_least_height(values, min_prominence), prominence=min_prominence,
                wlen=window,
            )  # fmt: skip
        inside = (peaks >= start) & (peaks < stop)
        found.append((peaks[inside] + first, told["prominences"][inside]))
    places, prominences = zip(*found, strict=True)
    return np.concatenate(places), np.concatenate(prominences)


def _least_height(values: Curve, min_prominence: float) -> float:
    """No peak below it is prominent enough: prominences of the others are not worth their time."""
    return (
        float(values.min(initial=np.inf)) + 0.999 * min_prominence
    )  # short of it by more than rounding


def apart(
    peaks: NDArray[np.int64], prominences: NDArray[np.float64], least: float
) -> NDArray[np.bool_]:
    """Which peaks stay: of any two less than `least` apart, the more prominent; bool [n].

    From the most prominent down, each removes its weaker neighbours; the earlier wins a tie.
    """
    least -= 1e-9
    kept = np.ones(len(peaks), np.bool_)
    for strong in np.argsort(-prominences, kind="stable").tolist():
        if kept[strong]:
            low = np.searchsorted(peaks, peaks[strong] - least, side="right")
            high = np.searchsorted(peaks, peaks[strong] + least, side="left")
            kept[low:strong] = kept[strong + 1 : high] = False
    return kept


def _stretches(
    curve: Iterable[Curve], stretch: int, margin: int
) -> Iterator[tuple[int, int, int, Curve]]:
    """(place of the first value, start and stop of what is new, values) of each stretch.

    | margin | stretch | margin |
             start     stop
    """
    waiting: list[Curve] = []
    first = start = count = 0
    for piece in curve:
        waiting.append(piece)
        count += len(piece)
        if count >= start + stretch + margin:
            values, stop = np.concatenate(waiting), count - margin
            yield first, start, stop, values
            kept = max(stop - margin, 0)
            first, start, count = first + kept, stop - kept, count - kept
            waiting = [values[kept:]]
    if waiting:
        yield first, start, count, np.concatenate(waiting)
