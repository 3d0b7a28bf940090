"""The JSON of a sample: what is known of one stored segment of one untrimmed video.

The same fields stand in every sample, whatever is missing. Times of moments and actions are
seconds on the stored mp4's own clock; `start_seconds` places its zero on the source's clock.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from typing import Any

from replai.core.timeline import Span

SCHEMA_VERSION = 2
READABLE_VERSIONS = (1, 2)
"""Version 1 had no `pre_seconds`, `pnr_seconds` and `post_seconds` in its actions."""
STATE_CHANGE = ("pre_seconds", "pnr_seconds", "post_seconds")
LARGEST_NUMBER = 1e9
LARGEST_WHOLE = 2**31 - 1


@dataclass(frozen=True, kw_only=True)
class Moment:
    """One moment of interaction. `prominence` is None for timestamps the user brought without."""

    seconds: float
    prominence: float | None


@dataclass(frozen=True, kw_only=True)
class Action:
    """One labelled action [start_seconds, stop_seconds); class ids are -1 where unknown.

    The three times of a state change (Ego4D's critical frames) are None where they are unknown.
    """

    start_seconds: float
    stop_seconds: float
    verb: str
    noun: str
    verb_class: int
    noun_class: int
    pre_seconds: float | None = None
    """Precondition: the object, just before it changes."""
    pnr_seconds: float | None = None
    """Point of no return: the change begins."""
    post_seconds: float | None = None
    """Postcondition: the object is changed."""

    def moved(self, seconds: float) -> Action:
        """The action `seconds` later: the same on a clock that started so much earlier."""
        times = {name: time + seconds for name, time in self._times().items()}
        return replace(self, **times)  # type: ignore[arg-type]

    def cut(self, span: Span) -> Action:
        """What lies in `span`: start and stop are moved into it, other times outside are None."""
        times = {
            name: time if span.start_seconds <= time <= span.stop_seconds else None
            for name, time in self._times().items()
        }
        start, stop = span.clip(self.start_seconds), span.clip(self.stop_seconds)
        return replace(self, **{**times, "start_seconds": start, "stop_seconds": stop})  # type: ignore[arg-type]

    def _times(self) -> dict[str, float]:
        """Name → seconds, of the times that are known."""
        names = ("start_seconds", "stop_seconds", *STATE_CHANGE)
        return {name: time for name in names if (time := getattr(self, name)) is not None}


@dataclass(frozen=True, kw_only=True)
class VideoFacts:
    """Size in pixels as displayed, mean frame rate, codec name."""

    width: int
    height: int
    fps: float
    codec: str


@dataclass(frozen=True, kw_only=True)
class AudioFacts:
    """Rate and channel count of the audio stream; 0 and 0 where there is none."""

    sample_rate_hz: int
    channels: int


@dataclass(frozen=True, kw_only=True)
class SampleRecord:
    """One sample: a segment of an untrimmed video, its moments and its labelled actions."""

    video_id: str
    start_seconds: float
    duration_seconds: float
    video: VideoFacts
    audio: AudioFacts
    moments: tuple[Moment, ...]
    actions: tuple[Action, ...]

    @property
    def has_audio(self) -> bool:
        """Whether the segment carries sound."""
        return self.audio.channels > 0

    def to_json(self) -> bytes:
        """UTF-8 JSON with a fixed field order, so that equal records are equal bytes."""
        fields = {"schema_version": SCHEMA_VERSION, **asdict(self)}
        text = json.dumps(fields, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
        return text.encode()

    @staticmethod
    def from_json(data: bytes) -> SampleRecord:
        """The record that `to_json` wrote. Raises ValueError on anything else."""
        try:
            fields = json.loads(data)
            version = fields["schema_version"]
            if version not in READABLE_VERSIONS:
                readable = " and ".join(map(str, READABLE_VERSIONS))
                raise ValueError(f"schema version {version!r}; this software reads {readable}")
            return _record(fields, version)
        except (KeyError, TypeError, OverflowError, RecursionError) as error:
            raise ValueError(f"not a sample record: {type(error).__name__} {error}") from error


def _record(fields: dict[str, Any], version: int) -> SampleRecord:
    added = dict.fromkeys(STATE_CHANGE) if version == 1 else {}
    return SampleRecord(
        video_id=str(fields["video_id"]),
        start_seconds=_number(fields["start_seconds"]),
        duration_seconds=_number(fields["duration_seconds"]),
        video=_video(fields["video"]),
        audio=_audio(fields["audio"]),
        moments=tuple(_moment(moment) for moment in fields["moments"]),
        actions=tuple(_action({**added, **action}) for action in fields["actions"]),
    )


def _moment(fields: dict[str, Any]) -> Moment:
    return Moment(
        seconds=_number(fields["seconds"]), prominence=_number_or_none(fields["prominence"])
    )


def _action(fields: dict[str, Any]) -> Action:
    return Action(
        start_seconds=_number(fields["start_seconds"]),
        stop_seconds=_number(fields["stop_seconds"]),
        verb=str(fields["verb"]),
        noun=str(fields["noun"]),
        verb_class=_whole(fields["verb_class"]),
        noun_class=_whole(fields["noun_class"]),
        pre_seconds=_number_or_none(fields["pre_seconds"]),
        pnr_seconds=_number_or_none(fields["pnr_seconds"]),
        post_seconds=_number_or_none(fields["post_seconds"]),
    )


def _video(fields: dict[str, Any]) -> VideoFacts:
    width, height = _whole(fields["width"]), _whole(fields["height"])
    if min(width, height) < 1:
        raise ValueError(f"a video of {width}x{height} pixels")
    return VideoFacts(
        width=width, height=height, fps=_number(fields["fps"]), codec=str(fields["codec"])
    )


def _audio(fields: dict[str, Any]) -> AudioFacts:
    return AudioFacts(
        sample_rate_hz=_whole(fields["sample_rate_hz"]), channels=_whole(fields["channels"])
    )


def _whole(value: Any) -> int:
    """`value` as an integer that fits in 32 bits."""
    number = int(value)
    if abs(number) > LARGEST_WHOLE:
        raise ValueError("a whole number is out of range")
    return number


def _number_or_none(value: Any) -> float | None:
    return None if value is None else _number(value)


def _number(value: Any) -> float:
    """`value` as a float whose ticks, at any media clock, fit in 64 bits."""
    number = float(value)
    if not abs(number) < LARGEST_NUMBER:  # written so that NaN is refused too
        raise ValueError(f"{value!r} is out of range")
    return number
