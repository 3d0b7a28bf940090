"""What encoding one span of a source gives."""

from __future__ import annotations

from dataclasses import dataclass

from av.audio.stream import AudioStream

from replai.core.record import AudioFacts, VideoFacts
from replai.media.container import Media

MP4_OPTIONS = {"fflags": "+bitexact", "movie_timescale": "1000000"}
"""Nothing of the time or the library's version goes into the bytes; the offset between the
streams is kept to the microsecond (FFmpeg's default is the millisecond).
"""


Size = tuple[int, int]
"""(width, height) of frames as displayed, pixels."""


@dataclass(frozen=True, kw_only=True)
class EncodedSegment:
    """One stored segment; its own clock starts at `start_seconds` of the source's."""

    media: bytes
    start_seconds: float
    duration_seconds: float
    video: VideoFacts
    audio: AudioFacts


def sound_of(media: Media) -> AudioStream | None:
    """The audio stream; None also where one is declared that holds no sound."""
    stream = media.audio
    return stream if stream is not None and stream.rate and stream.channels else None


def audio_facts(stream: AudioStream | None) -> AudioFacts:
    """The facts of sound that is stored as it is in `stream`."""
    if stream is None:
        return AudioFacts(sample_rate_hz=0, channels=0)
    return AudioFacts(sample_rate_hz=stream.rate, channels=stream.channels)
