"""Frame choice against decoding everything, for each codec and container that sources come in."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from av import Codec
from av.codec.codec import UnknownCodecError

from replai.media.decode import read_views
from replai.media.scale import Geometry
from replai.media.video import ClipRequest
from tests.replai.media.synthetic import Recipe, encoded, frames_of, number
from tests.replai.media.test_decode import on_screen, oracle

SILENT = Recipe(audio_codec=None)
OPEN_GOP = replace(
    SILENT,
    codec_options=(
        ("x264-params", "open-gop=1:keyint=12:min-keyint=12:bframes=3:b-adapt=0:scenecut=0"),
    ),
)
X265 = "log-level=none:pools=1:frame-threads=1:bframes=3:keyint=12:min-keyint=12:scenecut=0"
HEVC = replace(
    SILENT,
    codec="libx265",
    codec_options=(("preset", "ultrafast"), ("x265-params", f"{X265}:open-gop=0")),
)
VP9 = replace(
    SILENT,
    codec="libvpx-vp9",
    codec_options=(("cpu-used", "6"), ("auto-alt-ref", "1"), ("lag-in-frames", "16")),
)
AV1 = replace(SILENT, codec="libsvtav1", codec_options=(("preset", "12"),), gop=30)
GAPS = frozenset(range(20, 31)) | {40, 42, 43, 70}
MPEG2 = replace(SILENT, codec="mpeg2video", codec_options=(("bf", "2"),))

KINDS = {
    "h264 open gop": OPEN_GOP,
    "h264 open gop, matroska": replace(OPEN_GOP, container="matroska"),
    "h264 open gop, mpegts": replace(OPEN_GOP, container="mpegts"),
    "h264 10 bit": replace(SILENT, pix_fmt="yuv420p10le", b_frames=2),
    "h264 4:2:2": replace(SILENT, pix_fmt="yuv422p", b_frames=2),
    "h264 flv": replace(SILENT, container="flv"),
    "hevc": HEVC,
    "hevc 10 bit, open gop": replace(
        HEVC,
        pix_fmt="yuv420p10le",
        codec_options=(("preset", "ultrafast"), ("x265-params", f"{X265}:open-gop=1")),
    ),
    "hevc mpegts": replace(HEVC, container="mpegts"),
    "vp9 with hidden frames": replace(VP9, container="webm"),
    "vp9 in mp4": VP9,
    "av1": AV1,
    "av1 matroska": replace(AV1, container="matroska"),
    "mpeg2 program stream": replace(MPEG2, container="mpeg"),
    "mpeg2 transport stream": replace(MPEG2, container="mpegts"),
    "mpeg2 matroska": replace(MPEG2, container="matroska"),
    "mpeg4 with b-frames": replace(SILENT, codec="mpeg4", codec_options=(("bf", "2"),)),
    "mpeg4 avi": replace(SILENT, codec="mpeg4", container="avi"),
    "mjpeg": replace(SILENT, codec="mjpeg", container="mov", pix_fmt="yuvj420p"),
    "prores": replace(SILENT, codec="prores", container="mov", pix_fmt="yuv422p10le"),
    "25 fps": replace(SILENT, fps=25, num_frames=75, b_frames=2),
    "120 fps": replace(SILENT, fps=120, num_frames=240, b_frames=2, gop=60),
    "odd size": replace(VP9, container="webm", width=67, height=51),
    "variable rate, matroska": replace(
        SILENT, container="matroska", b_frames=2, dropped_frames=GAPS
    ),
    "variable rate, hevc": replace(HEVC, dropped_frames=GAPS),
    "1 fps": replace(SILENT, fps=1, num_frames=4),
}


def skip_without(encoder: str) -> None:
    """Skips where PyAV's FFmpeg is built without an encoder: there is no file to test on."""
    try:
        Codec(encoder, "w")
    except UnknownCodecError:
        pytest.skip(f"PyAV's FFmpeg has no encoder {encoder}")


@pytest.mark.parametrize("name", KINDS)
def test_frames_are_those_on_screen(name: str) -> None:
    recipe = KINDS[name]
    skip_without(recipe.codec)
    data = encoded(recipe)
    frames = oracle(data)
    assert {index for _, index in frames} == {*range(recipe.num_frames)} - recipe.dropped_frames
    whole = Geometry(0, 0, recipe.width, recipe.height, 64, 64, False)
    rng = np.random.default_rng(1)
    for start in (-0.7, 0.0, 0.013, 2.45, 2.8, 4.0, *rng.uniform(0, 2.5, 15)):
        clip = ClipRequest(float(start), 0.5, 8, whole)
        view = read_views(data, [clip], [])[0][0]
        expected = [on_screen(frames, s) for s in clip.frame_seconds]
        assert [number(frame) for frame in frames_of(view)] == expected, f"start {start}"
