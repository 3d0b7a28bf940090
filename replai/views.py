"""What an objective asks of a moment: named windows of video and audio around its time t.

A view's window is half-open, [start, stop), in seconds relative to t, on the presentation clock
of the file. The three views of RepLAI, with delta = 0.1 s:

              t-0.6      t-0.1   t   t+0.1      t+0.6
     video ─────[ 8 frames ]─────●─────[ 8 frames ]─────
     audio ──[ t-1.0             ●             t+1.0 ]──
             └──── before ──────┘ └────── after ─────┘

`reach` measures `before` and `after`: the room that a moment needs inside its segment.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class VideoView:
    """A clip of frames: uint8 [B, 3, num_frames, H, W] once decoded and collated.

    Frame i is the one on screen at the centre of the i-th of `num_frames` equal slots.

    Raises ValueError for an empty name, a start or duration that is not finite, a duration that
    is not positive, or fewer than one frame.
    """

    name: str
    """Key of the clip in a batch, unique among an objective's views."""
    start_seconds: float
    """Start of the window relative to t, in seconds; negative is before t."""
    duration_seconds: float
    """Length of the window in seconds."""
    num_frames: int
    """Frames in the window."""

    def __post_init__(self) -> None:
        _check_window(self.name, self.start_seconds, self.duration_seconds)
        if self.num_frames < 1:
            raise ValueError(f"view {self.name}: num_frames={self.num_frames}, must be >= 1")

    @property
    def stop_seconds(self) -> float:
        """End of the window relative to t, in seconds, exclusive."""
        return self.start_seconds + self.duration_seconds

    @property
    def fps(self) -> float:
        """Frames per second: num_frames / duration_seconds."""
        return self.num_frames / self.duration_seconds


@dataclass(frozen=True, kw_only=True)
class AudioView:
    """A mono waveform: float32 [B, 1, num_samples] in [-1, 1] once decoded and collated.

    Raises ValueError for an empty name, a start or duration that is not finite, a duration that
    is not positive, a rate below 1 Hz, or a window shorter than one sample.
    """

    name: str
    """Key of the waveform in a batch, unique among an objective's views."""
    start_seconds: float
    """Start of the window relative to t, in seconds; negative is before t."""
    duration_seconds: float
    """Length of the window in seconds."""
    sample_rate_hz: int = 16000
    """Samples per second after resampling."""

    def __post_init__(self) -> None:
        _check_window(self.name, self.start_seconds, self.duration_seconds)
        if self.sample_rate_hz < 1:
            raise ValueError(
                f"view {self.name}: sample_rate_hz={self.sample_rate_hz}, must be >= 1"
            )
        if self.num_samples < 1:
            raise ValueError(
                f"view {self.name}: duration_seconds={self.duration_seconds}, "
                f"must hold a sample at {self.sample_rate_hz} Hz"
            )

    @property
    def stop_seconds(self) -> float:
        """End of the window relative to t, in seconds, exclusive."""
        return self.start_seconds + self.duration_seconds

    @property
    def num_samples(self) -> int:
        """Samples in the window: the nearest whole number to duration * rate."""
        return round(self.duration_seconds * self.sample_rate_hz)


View = VideoView | AudioView


def reach(views: Iterable[View]) -> tuple[float, float]:
    """(before_seconds, after_seconds): how far the windows extend before and after t, both >= 0.

    No views, or views on one side of t only, reach 0 on the other side.
    """
    windows = [(view.start_seconds, view.stop_seconds) for view in views]
    before_seconds = max((-start for start, _ in windows), default=0.0)
    after_seconds = max((stop for _, stop in windows), default=0.0)
    return max(0.0, before_seconds), max(0.0, after_seconds)


def _check_window(name: str, start_seconds: float, duration_seconds: float) -> None:
    if not name:
        raise ValueError(f"view name={name!r}, must not be empty")
    if not math.isfinite(start_seconds):
        raise ValueError(f"view {name}: start_seconds={start_seconds}, must be finite")
    if not (math.isfinite(duration_seconds) and duration_seconds > 0):
        raise ValueError(
            f"view {name}: duration_seconds={duration_seconds}, must be finite and > 0"
        )
