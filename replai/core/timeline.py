"""Arithmetic of times. Seconds, float64, half-open [start, stop), on one file's video clock.

Zero is the first frame of the video stream (of the audio stream, in a file without video).
pts and frame numbers stay in `replai.media` and `sharder`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Span:
    """Half-open interval [start_seconds, stop_seconds)."""

    start_seconds: float
    stop_seconds: float

    def __post_init__(self) -> None:
        if not self.start_seconds <= self.stop_seconds:
            raise ValueError(
                f"a span ends before it starts: [{self.start_seconds}, {self.stop_seconds})"
            )

    @property
    def duration_seconds(self) -> float:
        """Length of the span."""
        return self.stop_seconds - self.start_seconds

    def contains(self, seconds: float) -> bool:
        """Whether `seconds` lies in [start, stop)."""
        return self.start_seconds <= seconds < self.stop_seconds

    def clip(self, seconds: float) -> float:
        """`seconds`, moved into the closed interval [start, stop]."""
        return min(max(seconds, self.start_seconds), self.stop_seconds)


def slot_centres(
    start_seconds: float, duration_seconds: float, num_slots: int
) -> NDArray[np.float64]:
    """Centres of `num_slots` equal slots of a window; float64 [num_slots].

    A view of 0.5 s at 16 fps has 8 slots, always: the count is an integer that is given,
    never a quotient of floats. The frame of a slot is the one on screen at the slot's centre.

        start                                 start + duration
        |--•--|--•--|--•--|--•--|--•--|--•--|--•--|--•--|
    """
    slots = np.arange(num_slots, dtype=np.float64)
    centres: NDArray[np.float64] = start_seconds + (slots + 0.5) * (duration_seconds / num_slots)
    return centres
