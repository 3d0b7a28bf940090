"""A span of an open source video → one mp4 in memory: the two storage profiles.

copy        packets as they are, from the keyframe at or before the span to its end
transcode   frames chosen on a fixed grid, scaled, H.264 with short GOPs; AAC sound
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from replai.core.errors import UserError
from replai.core.timeline import Span
from replai.media.container import Media, MediaFile, open_sample
from sharder.copying import copy_span
from sharder.encoded import EncodedSegment, Size
from sharder.sound import AAC_RATES_HZ
from sharder.transcoding import TranscodeSettings, transcode_span


class Profile(Protocol):
    """A way to store segments."""

    @property
    def name(self) -> str:
        """One line that says all there is to know of the profile."""
        ...

    @property
    def copies(self) -> bool:
        """Whether packets are copied as they are; of an MP4 whose size is told, none is decoded
        then, and it may stay open for the next span."""
        ...

    def encode(self, media: Media, span: Span, size: Size | None = None) -> EncodedSegment:
        """The segment of `media` that covers `span`. Raises SampleError.

        `size`: of its frames as displayed; where it is not told, a frame is decoded to learn it.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class CopyProfile:
    """No re-encoding: cut at keyframes, so a segment starts up to one GOP early."""

    @property
    def name(self) -> str:
        """See Profile."""
        return "copy"

    @property
    def copies(self) -> bool:
        """See Profile."""
        return True

    def encode(self, media: Media, span: Span, size: Size | None = None) -> EncodedSegment:
        """The packets of `span`, from the keyframe before it."""
        return copy_span(media, span, size)


@dataclass(frozen=True, kw_only=True)
class TranscodeProfile(TranscodeSettings):
    """Small frames, low rate, short GOPs: less to store, far less to decode for each clip."""

    def __post_init__(self) -> None:
        for name, least, most in (
            ("short_side", 16, 4320), ("fps", 1, 240), ("gop_frames", 1, 1000), ("crf", 0, 51),
            ("audio_kbit_per_channel", 8, 512),
        ):  # fmt: skip
            if not least <= getattr(self, name) <= most:
                raise UserError(f"{name} is {getattr(self, name)}, outside {least}..{most}")
        if self.audio_rate_hz not in AAC_RATES_HZ:
            known = ", ".join(map(str, AAC_RATES_HZ))
            raise UserError(f"audio_rate_hz is {self.audio_rate_hz}, AAC knows {known}")

    @property
    def name(self) -> str:
        """See Profile."""
        return (
            f"transcode short_side={self.short_side} fps={self.fps} gop={self.gop_frames} "
            f"crf={self.crf} preset={self.preset} {f'tune={self.tune} ' if self.tune else ''}"
            "colours=source "  # an older sharder lost what the source says of them
            f"audio={self.audio_kbit_per_channel}k/{self.audio_rate_hz}Hz"
        )

    @property
    def copies(self) -> bool:
        """See Profile."""
        return False

    def encode(self, media: Media, span: Span, size: Size | None = None) -> EncodedSegment:
        """The frames on screen at each 1/fps slot of `span`, scaled and encoded anew."""
        return transcode_span(media, span, self, size)


def encode_file(
    profile: Profile, file: MediaFile, span: Span, size: Size | None = None
) -> EncodedSegment:
    """The segment of one span of `file`, which is opened for it alone. Raises as `Profile.encode`
    and `open_sample`."""
    with open_sample(file) as media:
        return profile.encode(media, span, size)
