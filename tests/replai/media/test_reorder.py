"""H.264 that does not say how many frames its decoder must wait for before it shows them in order.

A decoder that is told nothing else guesses, and loses frames until it has guessed right. FFmpeg
reads the number from an MP4's table of times, also where its probe decodes nothing.
"""

from __future__ import annotations

import io

import av
import numpy as np
import pytest

from replai.media.decode import read_views
from replai.media.video import ClipRequest
from tests.replai.media.synthetic import Recipe, encoded
from tests.replai.media.test_decode import WHOLE, numbers, on_screen, oracle

X264 = (("x264-params", "b-adapt=0:b-pyramid=normal"),)
PYRAMID = Recipe(audio_codec=None, b_frames=7, gop=30, codec_options=X264)


class _Bits:
    """A bit string, read as H.264 reads it (7.2 and 9.1 of the standard)."""

    def __init__(self, data: bytes) -> None:
        self.bits, self.at = "".join(f"{byte:08b}" for byte in data), 0

    def fixed(self, length: int) -> int:
        self.at += length
        return int(self.bits[self.at - length : self.at] or "0", 2)

    def golomb(self) -> int:
        zeros = self.bits.index("1", self.at) - self.at
        self.at += zeros
        return self.fixed(zeros + 1) - 1


def silent(data: bytes) -> bytes:
    """The MP4 with its sequence parameter set cut off before the VUI, which states the number."""
    at = data.index(b"avcC") + 12
    size = int.from_bytes(data[at - 2 : at], "big")
    bits = _Bits(data[at : at + size].replace(b"\0\0\3", b"\0\0"))
    bits.fixed(32)
    bits.golomb()
    for _ in range(3):  # chroma, depths: High profile has them
        bits.golomb()
    assert bits.fixed(2) == 0, "no scaling matrix"
    bits.golomb()
    if bits.golomb() == 0:  # how the order of pictures is told
        bits.golomb()
    bits.golomb()
    bits.fixed(1)
    bits.golomb(), bits.golomb()
    assert bits.fixed(2) == 3, "frames, not fields"
    assert bits.fixed(1) == 0, "not cropped"
    assert bits.fixed(1) == 1, "a VUI"
    short = bits.bits[: bits.at - 1] + "01"
    short += "0" * (-len(short) % 8)
    parameters = bytes(int(short[i : i + 8], 2) for i in range(0, len(short), 8))
    return data[:at] + parameters.ljust(size, b"\0") + data[at + size :]


@pytest.fixture(scope="module")
def pyramid() -> bytes:
    return encoded(PYRAMID)


def test_frames_are_those_of_a_file_that_says_it(pyramid: bytes) -> None:
    frames, data = oracle(pyramid), silent(pyramid)
    for start in np.linspace(0, 2.4, 20).tolist():
        clip = ClipRequest(start, 0.5, 8, WHOLE)
        (view,), _ = read_views(data, [clip], [])
        assert numbers(view) == [on_screen(frames, s) for s in clip.frame_seconds]


def test_a_decoder_that_is_told_nothing_loses_frames_of_it(pyramid: bytes) -> None:
    assert _decoded_untold(pyramid) == PYRAMID.num_frames
    assert _decoded_untold(silent(pyramid)) < PYRAMID.num_frames


def _decoded_untold(data: bytes) -> int:
    with av.open(io.BytesIO(data)) as container:
        (stream,) = container.streams.video
        decoder = av.CodecContext.create("h264", "r")
        decoder.extradata, decoder.thread_count = stream.codec_context.extradata, 1
        packets = [packet for packet in container.demux(stream) if packet.size]
        return sum(len(decoder.decode(packet)) for packet in [*packets, None])
