"""The settings of an audible world."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from difflib import get_close_matches

from sharder.world.difficulty import LEVELS, Difficulty

SHORTEST_GAP_SECONDS = 2.5
"""Less would let the hand of one interaction meet the hand of the next."""

SHORTEST_VIDEO_SECONDS = 4.0
MOST_PER_MINUTE = 60.0
MOST_CLUTTER = 100

SHARES = (
    "idle_probability", "variety", "twin_probability", "lighting", "second_hand_probability",
    "talk_share", "music_probability", "coupling", "running_loudness",
)  # fmt: skip
"""Settings that lie in [0, 1]."""

RATES = ("reaches_per_minute", "silent_changes_per_minute", "offscreen_per_minute")
"""Settings that count events a minute."""


@dataclass(frozen=True, kw_only=True)
class WorldSettings(Difficulty):
    """How many videos a world has, how large and how long, and how hard it is."""

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

    min_gap_seconds: float = 2.5
    """Least time between two contacts."""

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
        for name in SHARES:
            _within(name, getattr(self, name), 0.0, 1.0)
        for name in RATES:
            _within(name, getattr(self, name), 0.0, MOST_PER_MINUTE)
        _within("clutter", self.clutter, 0, MOST_CLUTTER)
        _within("head_motion", self.head_motion, 0.0, 4.0)
        _within("distractor_db", self.distractor_db, 0.0, 80.0)
        _at_least("seed", self.seed, 0)

    @property
    def num_videos(self) -> int:
        """Videos of both splits."""
        return self.num_train_videos + self.num_test_videos

    @property
    def num_frames(self) -> int:
        """Frames of one video."""
        return round(self.duration_seconds * self.fps)


def settings_of(
    level: str, assignments: Sequence[str] = (), **values: float | None
) -> WorldSettings:
    """Return the settings of a level, with changes.

    `level`: "easy", "medium" or "hard". `values` replace the level's own, but for None;
    `assignments`, "name=value" each, replace both. Raises ValueError for an unknown level or
    name, for what is no number, and for values out of range.
    """
    if level not in LEVELS:
        raise ValueError(f"difficulty is {level!r}, must be one of {', '.join(LEVELS)}")
    given = {name: value for name, value in values.items() if value is not None}
    changed = dict(_assignment(text) for text in assignments)
    return WorldSettings(**{**LEVELS[level], **given, **changed})  # type: ignore[arg-type]


def _assignment(text: str) -> tuple[str, float]:
    """Return the name and the value of "name=value", an int where the setting is one."""
    name, separator, value = (part.strip() for part in text.partition("="))
    names = [field.name for field in fields(WorldSettings)]
    if not separator:
        raise ValueError(f"{text!r} sets nothing; write NAME=VALUE")
    if name not in names:
        nearest = get_close_matches(name, names, n=1, cutoff=0.0)[0]
        raise ValueError(f"no setting is named {name!r}; did you mean {nearest!r}?")
    is_whole = isinstance(getattr(WorldSettings, name), int)
    try:
        return name, int(value) if is_whole else float(value)
    except ValueError:
        kind = "a whole number" if is_whole else "a number"
        raise ValueError(f"{name} is {value!r}, must be {kind}") from None


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
