"""The settings of an audible world."""

from __future__ import annotations

from dataclasses import dataclass

SHORTEST_GAP_SECONDS = 2.5
"""Less would let the hand of one interaction meet the hand of the next."""

SHORTEST_VIDEO_SECONDS = 4.0


@dataclass(frozen=True, kw_only=True)
class WorldSettings:
    """How many videos a world has, how large and how long, and how much happens in them."""

    num_train_videos: int = 64
    """Videos under train/."""

    num_test_videos: int = 16
    """Videos under test/, of other rooms and other people."""

    duration_seconds: float = 30.0
    """Length of each video, at least 4."""

    width: int = 256
    """Frame width in pixels, even, at least the height."""

    height: int = 144
    """Frame height in pixels, even, at least 64."""

    fps: int = 24
    """Frames a second."""

    snr_db: float = 20.0
    """Mean power of an impact's first 50 ms over the mean power of the background, in dB."""

    min_gap_seconds: float = 2.5
    """Least time between two contacts."""

    mean_gap_seconds: float = 3.2
    """Mean time between two contacts, long idle stretches not counted."""

    idle_probability: float = 0.08
    """Chance that a gap is lengthened by a long idle stretch of 4 to 10 s."""

    seed: int = 0
    """All that is random follows from the seed and the index of the video."""

    def __post_init__(self) -> None:
        _at_least("num_train_videos", self.num_train_videos, 0)
        _at_least("num_test_videos", self.num_test_videos, 0)
        _at_least("num_train_videos + num_test_videos", self.num_videos, 1)
        _at_least("duration_seconds", self.duration_seconds, SHORTEST_VIDEO_SECONDS)
        _at_least("height", self.height, 64)
        _at_least("width", self.width, self.height)
        _even("width", self.width)
        _even("height", self.height)
        _at_least("fps", self.fps, 8)
        _within("snr_db", self.snr_db, -20.0, 80.0)
        _at_least("min_gap_seconds", self.min_gap_seconds, SHORTEST_GAP_SECONDS)
        _at_least("mean_gap_seconds", self.mean_gap_seconds, self.min_gap_seconds)
        _within("idle_probability", self.idle_probability, 0.0, 1.0)
        _at_least("seed", self.seed, 0)

    @property
    def num_videos(self) -> int:
        """Videos of both splits."""
        return self.num_train_videos + self.num_test_videos

    @property
    def num_frames(self) -> int:
        """Frames of one video."""
        return round(self.duration_seconds * self.fps)


def _at_least(name: str, value: float, limit: float) -> None:
    # Written so that NaN is refused too.
    if not value >= limit:
        raise ValueError(f"{name} is {value}, must be at least {limit}")


def _within(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise ValueError(f"{name} is {value}, must lie in [{low}, {high}]")


def _even(name: str, value: int) -> None:
    if value % 2:
        raise ValueError(f"{name} is {value}, must be a multiple of 2 (yuv420p)")
