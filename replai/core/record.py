"""The JSON of a sample: what is known of one stored segment of one untrimmed video.

The same fields stand in every sample, whatever is missing. Times of moments and actions are
seconds on the stored mp4's own clock; `start_seconds` places its zero on the source's clock.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

SCHEMA_VERSION = 1


@dataclass(frozen=True, kw_only=True)
class Moment:
    """One moment of interaction. `prominence` is None for timestamps the user brought without."""

    seconds: float
    prominence: float | None


@dataclass(frozen=True, kw_only=True)
class Action:
    """One labelled action [start_seconds, stop_seconds); class ids are -1 where unknown."""

    start_seconds: float
    stop_seconds: float
    verb: str
    noun: str
    verb_class: int
    noun_class: int


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
            if version != SCHEMA_VERSION:
                raise ValueError(
                    f"schema version {version!r}; this software reads {SCHEMA_VERSION}"
                )
            return _record(fields)
        except (KeyError, TypeError, UnicodeDecodeError) as error:
            raise ValueError(f"not a sample record: {type(error).__name__} {error}") from error


def _record(fields: dict[str, Any]) -> SampleRecord:
    return SampleRecord(
        video_id=str(fields["video_id"]),
        start_seconds=float(fields["start_seconds"]),
        duration_seconds=float(fields["duration_seconds"]),
        video=VideoFacts(**fields["video"]),
        audio=AudioFacts(**fields["audio"]),
        moments=tuple(Moment(**moment) for moment in fields["moments"]),
        actions=tuple(Action(**action) for action in fields["actions"]),
    )
