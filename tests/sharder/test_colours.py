"""A segment encoded anew shows the colours of its source, whatever its numbers mean."""

from __future__ import annotations

import io
from dataclasses import dataclass, replace
from functools import cache

import av
import numpy as np
import pytest
from av.video.reformatter import ColorRange, Colorspace
from numpy.typing import NDArray

from replai.core.timeline import Span
from replai.media.decode import read_views
from replai.media.scale import Geometry
from replai.media.video import ClipRequest
from sharder.encode import CopyProfile, TranscodeProfile, encode_file
from tests.replai.media.synthetic import frames_of

PATCHES = np.array(
    [
        [[16, 16, 16], [200, 30, 30], [30, 160, 30]],
        [[240, 240, 240], [30, 30, 200], [200, 150, 120]],
    ],
    np.uint8,
)
SIDE, NUM_FRAMES = 32, 8
LEVELS = 6  # of 256 that compression and roundings may cost; a wrong matrix costs 15 and more
HEIGHT, WIDTH = PATCHES.shape[0] * SIDE, PATCHES.shape[1] * SIDE
SPAN, WHOLE = Span(0.0, 0.8), Geometry(0, 0, WIDTH, HEIGHT, HEIGHT, WIDTH, False)
TRANSCODE = TranscodeProfile(short_side=HEIGHT, fps=10, crf=4)
X265 = (("preset", "ultrafast"), ("x265-params", "log-level=none:pools=1:frame-threads=1:qp=4"))


@dataclass(frozen=True, kw_only=True)
class Source:
    """`says`: which matrix, if any; `matrix`: which it is."""

    says: int = 2
    matrix: Colorspace = Colorspace.ITU601
    range: ColorRange = ColorRange.MPEG
    codec: str = "libx264"
    pix_fmt: str = "yuv420p"
    options: tuple[tuple[str, str], ...] = (("qp", "4"), ("threads", "1"))
    container: str = "mp4"
    rotation: int = 0


BT709 = Source(says=1, matrix=Colorspace.ITU709)
SOURCES = {
    "untagged": Source(),
    "bt.601": Source(says=6),
    "bt.709": BT709,
    "bt.709, full range": Source(
        says=1, matrix=Colorspace.ITU709, range=ColorRange.JPEG, pix_fmt="yuvj420p"
    ),
    "full range alone": Source(range=ColorRange.JPEG, pix_fmt="yuvj420p"),
    "bt.709, turned": Source(says=1, matrix=Colorspace.ITU709, rotation=90),
    "smpte 240m": Source(says=7, matrix=Colorspace.SMPTE240M),
    "bt.2020, 10 bit": Source(
        says=9, matrix=Colorspace.BT2020, codec="libx265", pix_fmt="yuv420p10le", options=X265
    ),
    "h.264 of rgb": Source(says=0, codec="libx264rgb", pix_fmt="bgr24"),
    "png": Source(says=0, codec="png", pix_fmt="rgb24", options=(), container="mov"),
}


def picture(source: Source) -> av.VideoFrame:
    pixels = np.ascontiguousarray(PATCHES.repeat(SIDE, 0).repeat(SIDE, 1))
    frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
    if source.says == 0:
        return frame.reformat(format=source.pix_fmt)
    return frame.reformat(
        format=source.pix_fmt, dst_colorspace=source.matrix, dst_color_range=source.range
    )


@cache
def filmed(source: Source) -> bytes:
    """NUM_FRAMES equal frames, ten a second."""
    sink = io.BytesIO()
    with av.open(sink, "w", format=source.container) as out:
        stream = out.add_stream(source.codec, rate=10, options=dict(source.options))
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, source.pix_fmt
        stream.codec_context.colorspace = source.says
        if source.range == ColorRange.JPEG:
            stream.codec_context.color_range = source.range
        if source.rotation:
            stream.set_display_rotation(source.rotation)
        for index in range(NUM_FRAMES):
            frame = picture(source)
            frame.pts = index
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return sink.getvalue()


def joined(*sources: Source) -> bytes:
    """The frames of all, one behind the other, in one stream that says of each what it is."""
    sink = io.BytesIO()
    with av.open(sink, "w", format="mpegts") as out:
        stream = None
        for number, source in enumerate(sources):
            part = filmed(replace(source, container="mpegts"))
            with av.open(io.BytesIO(part)) as media:
                stream = stream or out.add_stream_from_template(media.streams.video[0])
                for packet in media.demux(video=0):
                    if packet.pts is not None and packet.dts is not None:
                        shift = round(number * NUM_FRAMES / 10 / packet.time_base)
                        packet.pts, packet.dts = packet.pts + shift, packet.dts + shift
                        packet.stream = stream
                        out.mux(packet)
    return sink.getvalue()


def colours(data: bytes, geometry: Geometry = WHOLE, seconds: float = 0.4) -> NDArray[np.uint8]:
    """The middles of the patches as decoded for training; uint8 [rows, columns, 3]."""
    clip = read_views(data, [ClipRequest(seconds, 0.0, 1, geometry)], [])[0][0]
    return frames_of(clip)[0][SIDE // 2 :: SIDE, SIDE // 2 :: SIDE]


def says(data: bytes) -> tuple[int, int]:
    """(matrix, range) that the first frame is tagged with."""
    with av.open(io.BytesIO(data)) as container:
        frame = next(container.decode(video=0))
        return int(frame.colorspace), int(frame.color_range)


@pytest.mark.parametrize("name", SOURCES)
def test_stored_and_copied_samples_have_the_colours_of_the_source(name: str) -> None:
    source, turned = filmed(SOURCES[name]), SOURCES[name].rotation != 0
    geometry = Geometry(0, 0, HEIGHT, WIDTH, WIDTH, HEIGHT, False) if turned else WHOLE
    patches = np.rot90(PATCHES) if turned else PATCHES
    for profile in (CopyProfile(), TRANSCODE):
        made = encode_file(profile, io.BytesIO(source), SPAN).media
        np.testing.assert_allclose(colours(made, geometry).astype(int), patches, atol=LEVELS)


@pytest.mark.parametrize("name", SOURCES)
def test_a_stored_sample_says_of_its_numbers_what_the_source_does(name: str) -> None:
    stored = encode_file(TRANSCODE, io.BytesIO(filmed(SOURCES[name])), SPAN).media
    told = SOURCES[name].says not in (0, 2)
    assert says(stored) == ((SOURCES[name].says, ColorRange.MPEG) if told else (2, 0))


@pytest.mark.parametrize(
    "names", [("bt.709", "bt.601"), ("untagged", "bt.709"), ("bt.601", "bt.709, full range")]
)
def test_what_the_source_says_may_change_in_a_segment(names: tuple[str, str]) -> None:
    source = joined(*(SOURCES[name] for name in names))
    stored = encode_file(TRANSCODE, io.BytesIO(source), Span(0.0, 1.6)).media
    assert says(stored) == says(encode_file(TRANSCODE, io.BytesIO(source), SPAN).media)
    for seconds in (0.4, 1.2):
        for data in (source, stored):
            np.testing.assert_allclose(
                colours(data, WHOLE, seconds).astype(int), PATCHES, atol=LEVELS
            )
