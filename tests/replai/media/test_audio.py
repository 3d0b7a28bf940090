"""audio_blocks: whole files, offsets, gaps, damage."""

from __future__ import annotations

import io
from collections.abc import Callable
from fractions import Fraction

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from replai.core.errors import SampleError
from replai.media.audio import Lost, NoSoundError, SoundRequest, audio_blocks, sound_blocks
from replai.media.container import open_media
from replai.media.decode import read_views
from tests.replai.media.synthetic import Recipe, chirp_lag_seconds, encoded


def joined(data: bytes, rate_hz: int = 16000) -> NDArray[np.float32]:
    return np.concatenate(list(audio_blocks(data, rate_hz)))


def remuxed(data: bytes, keep: Callable[[float], bool], damage: float | None = None) -> bytes:
    """The audio of `data` as Matroska: packets for whose time `keep` holds; one damaged."""
    buffer = io.BytesIO()
    with av.open(io.BytesIO(data)) as source, av.open(buffer, "w", format="matroska") as out:
        stream = out.add_stream_from_template(source.streams.audio[0])
        for packet in source.demux(audio=0):
            if packet.dts is None or not keep(float(packet.pts * packet.time_base)):
                continue
            if damage is not None and abs(float(packet.pts * packet.time_base) - damage) < 0.012:
                broken = av.Packet(b"\xff" * packet.size)
                broken.pts, broken.dts, broken.time_base = packet.pts, packet.dts, packet.time_base
                packet = broken
            packet.stream = stream
            out.mux(packet)
    return buffer.getvalue()


@pytest.mark.parametrize("rate_hz", [16000, 22050, 44100, 48000])
@pytest.mark.parametrize("start_seconds", [0.0, 0.3, -0.3])
def test_chirps_are_where_they_belong(rate_hz: int, start_seconds: float) -> None:
    recipe = Recipe(
        audio_rate_hz=rate_hz,
        audio_start_seconds=start_seconds,
        container="matroska",
        num_frames=60,
    )
    samples = joined(encoded(recipe))
    assert samples.dtype == np.float32 and samples.ndim == 1
    assert len(samples) / 16000 == pytest.approx(3.0 + start_seconds, abs=0.1)
    assert start_seconds <= 0 or not samples[: int(16000 * (start_seconds - 0.05))].any()
    for seconds in recipe.chirp_seconds:
        assert abs(chirp_lag_seconds(samples, seconds)) < 1e-3


def test_a_window_equals_that_part_of_the_whole() -> None:
    data = encoded(Recipe(audio_rate_hz=48000))
    part = read_views(data, [], [SoundRequest(0.9, 8000, 16000)])[1][0].samples[0]
    np.testing.assert_allclose(part, joined(data)[14400:22400], atol=2e-4)


@pytest.mark.parametrize(("rate_hz", "kbit"), [(16000, 16), (32000, 40), (44100, 64)])
def test_a_window_of_mp3_sounds_right_from_its_first_sample(rate_hz: int, kbit: int) -> None:
    """A frame of few bytes leans on many before it."""
    data = tones_of_mp3(rate_hz, kbit)
    whole = read_views(data, [], [SoundRequest(0.0, 6 * rate_hz, rate_hz)])[1][0].samples[0]
    for first in range(3 * rate_hz, 4 * rate_hz, round(0.0671 * rate_hz)):
        part = read_views(data, [], [SoundRequest(first / rate_hz, rate_hz, rate_hz)])[1][0]
        np.testing.assert_allclose(part.samples[0], whole[first : first + rate_hz], atol=0.02)


def tones_of_mp3(rate_hz: int, kbit: int, seconds: int = 6) -> bytes:
    time = np.arange(seconds * rate_hz) / rate_hz
    tones = 0.3 * np.sin(2 * np.pi * 440 * time) + 0.2 * np.sin(2 * np.pi * 1000 * time)
    sink = io.BytesIO()
    with av.open(sink, "w", format="mp4") as target:
        stream = target.add_stream("libmp3lame", rate=rate_hz, layout="mono")
        stream.bit_rate = 1000 * kbit
        frame = av.AudioFrame.from_ndarray(tones[None].astype(np.float32), "fltp", "mono")
        frame.sample_rate, frame.pts, frame.time_base = rate_hz, 0, Fraction(1, rate_hz)
        size = stream.codec_context.frame_size
        cut = av.AudioResampler(stream.format, "mono", rate_hz, frame_size=size)
        for part in [*cut.resample(frame), *cut.resample(None)]:
            target.mux(stream.encode(part))
        target.mux(stream.encode(None))
    return sink.getvalue()


def test_a_gap_is_silence_and_moves_nothing() -> None:
    recipe = Recipe(container="matroska", chirp_seconds=(0.5, 1.0, 2.5))
    samples = joined(remuxed(encoded(recipe), lambda s: not 0.8 < s < 2.2))
    assert not samples[int(0.9 * 16000) : int(2.1 * 16000)].any()
    for seconds in (0.5, 2.5):
        assert abs(chirp_lag_seconds(samples, seconds)) < 1e-3


def test_a_long_gap_comes_in_blocks_of_bounded_size() -> None:
    recipe = Recipe(
        container="matroska",
        audio_seconds=64.0,
        num_frames=0,
        audio_rate_hz=16000,
        chirp_seconds=(),
    )
    blocks = list(audio_blocks(remuxed(encoded(recipe), lambda s: not 1 < s < 63)))
    assert sum(map(len, blocks)) / 16000 == pytest.approx(64.0, abs=0.1)
    assert max(map(len, blocks)) <= 2 * 16000 + 2048


def test_a_packet_that_does_not_decode_is_silence() -> None:
    recipe = Recipe(container="matroska", chirp_seconds=(0.5, 2.5), num_frames=0)
    whole = remuxed(encoded(recipe), lambda s: True)
    damaged, lost = remuxed(encoded(recipe), lambda s: True, damage=1.5), Lost()
    with open_media(damaged) as media:
        samples = np.concatenate(list(sound_blocks(media, 16000, lost)))
    assert lost.packets == 1 and lost.seconds == pytest.approx(1024 / 44100, abs=0.002)
    assert abs(len(samples) - len(joined(whole))) < 2000
    for seconds in recipe.chirp_seconds:
        assert abs(chirp_lag_seconds(samples, seconds)) < 1e-3


@pytest.mark.parametrize("codec", ["pcm_u8", "pcm_s16le", "pcm_s32le", "pcm_f32le", "pcm_f64le"])
def test_every_sample_format_has_full_scale_at_one(codec: str) -> None:
    recipe = Recipe(container="matroska", audio_codec=codec, num_frames=0, audio_rate_hz=16000)
    samples = joined(encoded(recipe))
    assert np.abs(samples).max() == pytest.approx(0.5, abs=0.01)
    assert abs(float(samples.mean())) < 0.005


def test_samples_that_are_not_numbers_become_silence() -> None:
    data = bytearray(encoded(Recipe(container="wav", audio_codec="pcm_f32le", num_frames=0)))
    data[100_000:100_400] = np.full(100, np.nan, np.float32).tobytes()
    assert np.isfinite(joined(bytes(data))).all()


def test_no_audio_is_an_error() -> None:
    with pytest.raises(SampleError, match="no audio"):
        list(audio_blocks(encoded(Recipe(audio_codec=None))))
    with pytest.raises(NoSoundError, match="holds nothing"):
        list(audio_blocks(encoded(Recipe(container="matroska", audio_seconds=0))))
    with pytest.raises(SampleError):
        list(audio_blocks(b"not media"))
