"""A worker of the sharder takes one core: FFmpeg starts no threads in it."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import av
import pytest

from replai.core.timeline import Span
from replai.media.container import open_sample
from replai.media.packets import read_packets
from sharder.encode import CopyProfile, TranscodeProfile, encode_file
from sharder.sound import sound_kind, stored_sound
from sharder.transcoding import TranscodeSettings, add_video
from tests.replai.media.synthetic import Recipe, encoded
from tests.replai.media.turned import filmed
from tests.tasks import threads_of

FILE = Recipe(width=640, height=360, num_frames=30, audio_seconds=1.0, chirp_seconds=())
SPAN = Span(0.2, 0.9)


def silent() -> bytes:
    return encoded(replace(FILE, audio_codec=None))


@pytest.mark.parametrize("source", [silent, partial(filmed, 90)], ids=["as stored", "turned"])
def test_pictures_are_encoded_without_threads(source: Callable[[], bytes]) -> None:
    data = source()
    assert not threads_of(lambda: encode_file(TranscodeProfile(), io.BytesIO(data), SPAN))


def test_a_copy_is_made_without_threads() -> None:
    data = encoded(FILE)
    assert not threads_of(lambda: encode_file(CopyProfile(), io.BytesIO(data), SPAN))


@pytest.mark.parametrize("num_channels", [2, 8])
def test_sound_is_decoded_and_resampled_without_threads(num_channels: int) -> None:
    """PyAV's encoder has a graph that cuts samples into frames, and threads that sleep in it."""
    data = encoded(replace(FILE, num_frames=0, audio_channels=num_channels))

    def make() -> None:
        with open_sample(data) as media:
            kind, packets = (
                sound_kind(media, 16000),
                read_packets(media, 0, 1, video=False, audio=True),
            )
            assert kind is not None and kind.stored_rate_hz < kind.rate_hz
            assert len(stored_sound(media, kind, packets.audio, SPAN))

    assert not threads_of(make)


def test_the_look_finds_the_encoders_threads() -> None:
    def encode() -> None:
        with av.open(io.BytesIO(), "w", format="mp4") as target:
            stream = add_video(target, 454, 256, TranscodeSettings())
            stream.codec_context.thread_count = 3
            target.mux(stream.encode(av.VideoFrame(454, 256, "yuv420p")))
            target.mux(stream.encode(None))

    assert threads_of(encode)
