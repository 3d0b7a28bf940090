"""Facts of files of many kinds, whole and damaged."""

from __future__ import annotations

import io
import struct
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest

from replai.core.errors import SampleError
from replai.core.record import AudioFacts, VideoFacts
from replai.media.probe import probe
from tests.replai.media.synthetic import Recipe, encoded

DURATIONS = {
    "mp4": (Recipe(), 3.0),
    "mp4 with b-frames": (Recipe(b_frames=3), 3.0),
    "mp4 late": (Recipe(video_start_seconds=0.5, audio_start_seconds=-0.1), 3.0),
    "matroska": (Recipe(container="matroska"), 3.0),
    "matroska late": (Recipe(container="matroska", video_start_seconds=0.5), 3.0),
    "longer sound": (Recipe(container="matroska", audio_seconds=5.0), 3.0),
    "mpegts": (Recipe(container="mpegts", b_frames=2), 3.0),
    "fragmented": (Recipe(options=(("movflags", "frag_keyframe+delay_moov"),)), 3.0),
    "adts": (Recipe(num_frames=0, container="adts"), 3.04),
    "mp3": (Recipe(num_frames=0, container="mp3", audio_codec="libmp3lame"), 3.0),
    "wav": (Recipe(num_frames=0, container="wav", audio_codec="pcm_s16le"), 3.0),
}


@pytest.mark.parametrize("name", DURATIONS)
def test_duration(name: str) -> None:
    recipe, seconds = DURATIONS[name]
    assert probe(encoded(recipe)).duration_seconds == pytest.approx(seconds, abs=0.03)


def test_facts_of_a_path_of_bytes_and_of_a_file_object(tmp_path: Path) -> None:
    data = encoded(Recipe(width=96, audio_start_seconds=0.25))
    (tmp_path / "a.mp4").write_bytes(data)
    facts = probe(data)
    assert facts.video == VideoFacts(width=96, height=64, fps=30.0, codec="h264")
    assert facts.audio == AudioFacts(sample_rate_hz=44100, channels=2)
    assert facts.audio_start_seconds == pytest.approx(0.25, abs=0.03)  # AAC's priming before it
    assert probe(str(tmp_path / "a.mp4")) == probe(io.BytesIO(data)) == facts


def test_streams_that_are_not_there_are_none() -> None:
    assert probe(encoded(Recipe(audio_codec=None))).audio is None
    assert probe(encoded(Recipe(num_frames=0))).video is None


def test_a_cover_picture_is_not_video() -> None:
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as out:
        cover = out.add_stream("mjpeg", rate=1)
        cover.width, cover.height, cover.pix_fmt = 64, 64, "yuvj420p"
        cover.disposition = av.stream.Disposition.attached_pic
        sound = out.add_stream("aac", rate=16000)
        sound.layout = "mono"
        picture = av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), format="rgb24")
        out.mux(cover.encode(picture) + cover.encode(None))
        for at in range(0, 16000, 1000):
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 1000), np.float32), "fltp", "mono")
            frame.sample_rate, frame.pts = 16000, at
            out.mux(sound.encode(frame))
        out.mux(sound.encode(None))
    facts = probe(buffer.getvalue())
    assert facts.video is None and facts.audio is not None
    assert facts.duration_seconds == pytest.approx(1.0, abs=0.1)


@pytest.mark.parametrize("data", [b"", b"no media" * 500, encoded(Recipe())[:2000]])
def test_what_is_not_media_is_refused_in_one_line(data: bytes) -> None:
    with pytest.raises(SampleError) as caught:
        probe(data)
    assert str(caught.value) and "\n" not in str(caught.value)


def test_an_error_of_the_file_itself_passes_through() -> None:
    class Broken(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            raise ConnectionResetError("the network is gone")

    with pytest.raises(ConnectionResetError):
        probe(Broken(b"x"))
    with pytest.raises(FileNotFoundError):
        probe("/nowhere/at/all.mp4")


LONG = Recipe(
    container="matroska", width=32, height=32, fps=10, num_frames=200, gop=10, audio_seconds=20.0,
    audio_rate_hz=48000, audio_channels=1,
)  # fmt: skip
WEBM = replace(
    LONG,
    container="webm",
    codec="libvpx",
    codec_options=(("deadline", "realtime"), ("cpu-used", "8")),
    audio_codec="libopus",
)
WHOLE = {
    "mkv": LONG,
    "webm": WEBM,
    "recorded live": replace(WEBM, options=(("live", "1"),)),
    "live at a rate that is told": replace(
        LONG,
        options=(("live", "1"),),
        fps=25,
        num_frames=500,
        codec="mpeg2video",
        codec_options=(("maxrate", "1000"), ("bufsize", "1000")),
        audio_codec="mp2",
    ),
    "longer sound": replace(LONG, audio_seconds=30.0),
    "shorter sound": replace(LONG, audio_seconds=8.0),
    "late sound": replace(LONG, audio_start_seconds=6.0),
    "no sound": replace(LONG, audio_codec=None),
    "starts late": replace(LONG, video_start_seconds=7.0),
    "index at its front": replace(LONG, options=(("reserve_index_space", "4096"),)),
    "sound alone": replace(LONG, num_frames=0),
    "mp4": replace(LONG, container="mp4"),
    "flv": replace(LONG, container="flv"),
    "mpegts": replace(LONG, container="mpegts"),
}


@pytest.mark.parametrize("name", WHOLE)
def test_of_a_whole_file_nothing_is_missing(name: str) -> None:
    assert probe(encoded(WHOLE[name])).missing_seconds == 0


def test_any_stream_may_go_on_to_the_end() -> None:
    """A second language, say."""
    sources = (
        encoded(replace(LONG, audio_seconds=4.0)),
        encoded(replace(LONG, num_frames=0, audio_seconds=28.0)),
    )
    sink = io.BytesIO()
    with av.open(sink, "w", format="matroska") as target:
        packets = []
        for source in sources:
            with av.open(io.BytesIO(source)) as film:
                for stream in film.streams:
                    copied = target.add_stream_from_template(stream)
                    film.seek(0)
                    packets += [(p, copied) for p in film.demux(stream) if p.dts is not None]
        for packet, copied in sorted(packets, key=lambda one: one[0].dts * one[0].time_base):
            packet.stream = copied
            target.mux(packet)
    data = sink.getvalue()
    with av.open(io.BytesIO(data)) as container:
        assert len(container.streams) == 3 and container.duration > 27_000_000
    facts = probe(data)
    assert facts.missing_seconds == 0 and facts.duration_seconds == pytest.approx(20.0, abs=0.1)


@pytest.mark.parametrize("damage", ["cut off", "zeros", "noise"])
@pytest.mark.parametrize("name", ["mkv", "webm", "shorter sound", "no sound", "starts late"])
def test_the_end_that_a_matroska_file_lacks_is_told(name: str, damage: str) -> None:
    data = encoded(WHOLE[name])
    kept = len(data) * 2 // 3
    noise = np.random.default_rng(0).integers(0, 256, len(data) - kept, np.uint8).tobytes()
    tail = {"cut off": b"", "zeros": bytes(len(noise)), "noise": noise}[damage]
    facts = probe(io.BytesIO(data[:kept] + tail))
    assert facts.missing_seconds > 2
    assert facts.duration_seconds + facts.missing_seconds == pytest.approx(20.0, abs=0.1)


@pytest.mark.parametrize("odd", [float("nan"), float("inf"), -1.0, 0.0])
def test_a_stated_length_that_is_none_is_not_believed(odd: float) -> None:
    data = encoded(LONG)
    at = data.index(b"\x44\x89\x88") + 3
    facts = probe(data[:at] + struct.pack(">d", odd) + data[at + 8 :])
    assert facts.missing_seconds == 0 and facts.duration_seconds == pytest.approx(20.0, abs=0.1)
