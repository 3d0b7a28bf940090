"""Videos as they come: other containers, clocks, sounds and names, and damage in the middle.

All show numbered frames for 8 s, and chirp at CHIRPS (seconds after the first frame).
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import av
import numpy as np

from tests.replai.media.synthetic import Recipe
from tests.sharder.conftest import RECIPE

AVI = replace(RECIPE, container="avi", codec="mpeg4", b_frames=0)
TS = replace(RECIPE, container="mpegts")
OPUS = replace(RECIPE, container="webm", audio_codec="libopus", audio_rate_hz=48000)
X265 = (
    ("preset", "ultrafast"),
    ("x265-params", "log-level=none:pools=1:frame-threads=1:keyint=10"),
)
QUICK = (("cpu-used", "8"), ("deadline", "realtime"))
MATROSKA = replace(RECIPE, container="matroska", options=(("cluster_time_limit", "1000"),))
UNEVEN = frozenset({7, 8, 9, 21, 33, 34, *range(41, 48)})
DAMAGED_SECONDS = (6.1, 7.0)


@dataclass(frozen=True)
class Odd:
    """A file and what is to become of it."""

    file: str
    recipe: Recipe = RECIPE
    copies: bool = True
    """Whether its codecs can stand in an mp4."""
    damage: Callable[[bytes, slice], bytes] | None = field(default=None, repr=False)
    """(file, the bytes of DAMAGED_SECONDS) → the damaged file."""

    @property
    def video_id(self) -> str:
        """As detect and pack name it."""
        return self.file.rpartition(".")[0]

    def found(self, data: bytes) -> bytes:
        """The file as it is found; `data` is whole."""
        return data if self.damage is None else self.damage(data, self._place(data))

    def _place(self, data: bytes) -> slice:
        """The bytes of the video packets of DAMAGED_SECONDS, and what lies between them."""
        low, high = DAMAGED_SECONDS
        with av.open(io.BytesIO(data)) as container:
            video = container.streams.video[0]
            first = video.start_time or 0
            places = [
                packet.pos
                for packet in container.demux(video)
                if packet.pts is not None and packet.pos is not None
                if low <= (packet.pts - first) * video.time_base <= high
            ]
        step = 188 if self.recipe.container == "mpegts" else 1
        return slice(min(places) // step * step, max(places) // step * step)


def cut_out(data: bytes, span: slice) -> bytes:
    """What a radio link loses."""
    return data[: span.start] + data[span.stop :]


def hole(data: bytes, span: slice) -> bytes:
    """What a disk or a download that was broken off leaves."""
    return data[: span.start] + bytes(span.stop - span.start) + data[span.stop :]


def noise(data: bytes, span: slice) -> bytes:
    """What a dying disk gives."""
    drawn = np.random.default_rng(0).integers(0, 256, span.stop - span.start, np.uint8)
    return data[: span.start] + drawn.tobytes() + data[span.stop :]


MPEG = replace(
    RECIPE, container="mpeg", codec="mpeg2video", fps=25, num_frames=200, gop=12, noise=60,
    audio_codec="mp2",
)  # fmt: skip
VP9 = replace(OPUS, codec="libvpx-vp9", codec_options=QUICK)
DOLBY = replace(AVI, audio_codec="ac3", audio_rate_hz=32000)
ODD = (
    Odd("rate that varies.mp4", replace(RECIPE, dropped_frames=UNEVEN)),
    Odd("matroska's too.mkv", replace(MATROSKA, dropped_frames=UNEVEN)),
    Odd("no sound.mp4", replace(RECIPE, audio_codec=None, chirp_seconds=())),
    Odd("silent.mp4", replace(RECIPE, chirp_seconds=())),
    Odd("5.1 aac.mp4", replace(RECIPE, audio_channels=6)),
    Odd("5.1 ac3.ts", replace(TS, audio_codec="ac3", audio_channels=6, audio_rate_hz=32000)),
    Odd("7.1 aac.mp4", replace(RECIPE, audio_channels=8)),
    Odd("4 microphones.mov", replace(RECIPE, container="mov", audio_codec="pcm_s16le",
                                     audio_channels=4)),
    Odd("sound first.mp4", replace(RECIPE, video_start_seconds=1.0, audio_start_seconds=-0.8)),
    Odd("sound last.mp4", replace(RECIPE, audio_start_seconds=1.2, audio_seconds=6.8)),
    Odd("picture late.late.ts", replace(TS, video_start_seconds=3.0, audio_start_seconds=-2.0,
                                        audio_seconds=10.0)),
    Odd("program stream.mpg", MPEG),
    Odd("vp9.webm", VP9),
    Odd("vp8.webm", replace(OPUS, codec="libvpx", codec_options=QUICK), copies=False),
    Odd("dolby.avi", DOLBY),
    Odd("stereo.avi", replace(AVI, audio_codec="pcm_s16le", audio_channels=2)),
    Odd("motion jpeg.avi", replace(AVI, codec="mjpeg", pix_fmt="yuvj420p",
                                   audio_codec="pcm_s16le")),
    Odd("phone.mov", replace(RECIPE, container="mov", codec="libx265", codec_options=X265)),
    Odd("windows.wmv", replace(AVI, container="asf", codec="wmv2", audio_codec="libmp3lame"),
        copies=False),
    Odd("v1.2 кухня № 5.mp4"),
    Odd("v1-2 кухня № 5.mp4"),
    Odd("link.ts", TS, damage=cut_out),
    Odd("hole.mp4", damage=hole),
    Odd("hole.mkv.mkv", MATROSKA, damage=hole),
    Odd("disk.mp4.mp4", damage=noise),
    Odd("disk.mkv.mkv", MATROSKA, damage=noise),
    Odd("disk.avi.avi", DOLBY, damage=noise),
    Odd("disk.mpg.mpg", MPEG, damage=noise),
)  # fmt: skip
