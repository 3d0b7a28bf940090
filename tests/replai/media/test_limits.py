"""Files made to cost much: each is refused, in one line, before it has cost it."""

from __future__ import annotations

import io
import resource
import struct
from collections.abc import Callable
from fractions import Fraction

import av
import numpy as np
import pytest

from replai.core.errors import SampleError
from replai.core.timeline import Span
from replai.media import audio, container, limits, packets, video
from replai.media.audio import SoundRequest, audio_blocks
from replai.media.decode import read_views
from replai.media.probe import probe
from replai.media.scale import Geometry
from replai.media.video import ClipRequest
from sharder.encode import CopyProfile, TranscodeProfile, encode_file
from tests.replai.media.synthetic import Recipe, encoded, frames_of, number, numbered

CLIP = ClipRequest(0.0, 1.0, 8, Geometry(0, 0, 64, 64, 64, 64, False))
SOUND = SoundRequest(0.0, 16000, 16000)
SILENT = Recipe(audio_codec=None, num_frames=30)
WAV = Recipe(container="wav", audio_codec="pcm_s16le", num_frames=0)


def with_rate(rate_hz: int) -> bytes:
    """A WAV file that states that rate."""
    data = bytearray(encoded(WAV))
    struct.pack_into("<I", data, data.index(b"fmt ") + 12, rate_hz)
    return bytes(data)


def of_png_frames(width: int, height: int, *, container_agrees: bool) -> bytes:
    """Small PNG frames, whose own headers say that they are of that size."""
    recipe = Recipe(codec="png", container="mov", pix_fmt="rgb24", num_frames=5, audio_codec=None)
    data = bytearray(encoded(recipe))
    at = data.find(b"IHDR")
    while at >= 0:
        struct.pack_into(">II", data, at + 4, width, height)
        at = data.find(b"IHDR", at + 1)
    if container_agrees:
        struct.pack_into(">HH", data, data.rindex(b"png ") + 28, width, height)
    return bytes(data)


def of_tiny_packets(count: int) -> bytes:
    """An mp4 of one frame and `count` packets of one byte, a microsecond each."""
    sink = io.BytesIO()
    with av.open(sink, "w", format="mp4", options={"video_track_timescale": "1000000"}) as out:
        stream = out.add_stream("mpeg4", rate=30)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        frame = av.VideoFrame.from_ndarray(numbered(0, 64, 64), format="rgb24")
        (first,) = [*stream.encode(frame), *stream.encode(None)]
        for index in range(count):
            packet = av.Packet(bytes(first) if index == 0 else b"\0")
            packet.stream, packet.time_base = stream, Fraction(1, 1_000_000)
            packet.pts, packet.dts, packet.is_keyframe = index, index, index == 0
            out.mux(packet)
    return sink.getvalue()


@pytest.mark.parametrize("rate_hz", [1, 3, 999, 768_001, 2_000_000_000])
def test_sound_of_an_absurd_rate(rate_hz: int) -> None:
    data = with_rate(rate_hz)
    readers: list[Callable[[], object]] = [
        lambda: read_views(data, [], [SOUND]),
        lambda: list(audio_blocks(data)),
        lambda: probe(data),
    ]
    for read in readers:
        with pytest.raises(SampleError, match=f"audio of {rate_hz} Hz"):
            read()


def test_sound_of_the_slowest_rate_is_served() -> None:
    sound = read_views(with_rate(limits.AUDIO_RATES_HZ[0]), [], [SOUND])[1][0]
    assert sound.samples.shape == (1, 16000) and sound.coverage == 1


@pytest.mark.parametrize("container_agrees", [True, False])
def test_a_picture_of_an_absurd_size(container_agrees: bool) -> None:
    data = of_png_frames(30000, 30000, container_agrees=container_agrees)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(SampleError):
        read_views(data, [CLIP], [])
    with pytest.raises(SampleError):
        encode_file(TranscodeProfile(), io.BytesIO(data), Span(0.0, 1.0))
    if container_agrees:  # else there is nothing wrong with the headers, and no frame is looked at
        with pytest.raises(SampleError):
            probe(data)
        with pytest.raises(SampleError):
            encode_file(CopyProfile(), io.BytesIO(data), Span(0.0, 1.0))
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert after - before < 500_000, "kB: no such frame has been allocated"


def test_no_decoder_makes_a_picture_larger_than_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the container says, the size that counts is in the coded frames."""
    data = encoded(SILENT)
    assert read_views(data, [CLIP], [])[0][0].shape == (3, 8, 64, 64)
    monkeypatch.setattr(container, "_DECODER_OPTIONS", {"max_pixels": str(64 * 64 - 1)})
    with pytest.raises(SampleError):
        read_views(data, [CLIP], [])


@pytest.mark.parametrize(
    ("module", "limit", "recipe", "spent"),
    [
        (packets, "MOST_PACKETS", SILENT, 30),
        (video, "MOST_PIXELS_DECODED", SILENT, 29 * 64 * 64),
        (audio, "MOST_SOUND_VALUES", WAV, 2 * 44100),
    ],
)
def test_more_work_than_the_limit(
    module: object, limit: str, recipe: Recipe, spent: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = encoded(recipe)
    clips, sounds = ([CLIP], []) if recipe.num_frames else ([], [SOUND])
    monkeypatch.setattr(module, limit, 2 * spent)
    read_views(data, clips, sounds)
    monkeypatch.setattr(module, limit, spent // 3)
    with pytest.raises(SampleError, match=f"need more than {spent // 3} "):
        read_views(data, clips, sounds)


def test_a_file_of_more_packets_than_anybody_needs() -> None:
    data = of_tiny_packets(limits.MOST_PACKETS + 10)
    with pytest.raises(SampleError, match="packets"):
        read_views(data, [CLIP], [])
    assert probe(data).video is not None


def test_a_million_frames_a_second_are_only_a_number() -> None:
    sink = io.BytesIO()
    with av.open(sink, "w", format="mp4", options={"video_track_timescale": "1000000"}) as out:
        stream = out.add_stream("mpeg4", rate=30)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        frames = [
            av.VideoFrame.from_ndarray(numbered(i, 64, 64), format="rgb24") for i in range(50)
        ]
        coded = [packet for frame in (*frames, None) for packet in stream.encode(frame)]
        for index, packet in enumerate(coded):
            packet.time_base, packet.duration = Fraction(1, 1_000_000), 1
            packet.pts = packet.dts = index
            out.mux(packet)
    data = sink.getvalue()
    facts = probe(data).video
    assert facts is not None and facts.fps == 1e6
    assert [number(frame) for frame in frames_of(read_views(data, [CLIP], [])[0][0])] == [49] * 8
    segment = encode_file(TranscodeProfile(short_side=64), io.BytesIO(data), Span(0.0, 5e-5))
    assert segment.video.fps == 16
    assert np.isfinite(segment.duration_seconds)
