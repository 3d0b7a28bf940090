"""Facts of files of many kinds, whole and damaged."""

from __future__ import annotations

import io
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
