"""Windows of sound in each codec, rate and layout, with gaps, and past the ends."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from replai.media.audio import Sound, SoundRequest
from replai.media.decode import read_views
from tests.replai.media.synthetic import Recipe, chirp_lag_seconds, encoded
from tests.replai.media.test_audio import remuxed

KINDS = [
    ("aac", "mp4", (8000, 11025, 22050, 32000, 48000), (1, 2, 6)),
    ("libmp3lame", "matroska", (8000, 44100), (1, 2)),
    ("flac", "matroska", (8000, 48000), (1, 6)),
    ("pcm_s16le", "mov", (8000, 44100), (1, 6)),
    ("ac3", "mpegts", (32000, 48000), (1, 2, 6)),
    ("mp2", "mpeg", (16000, 44100), (1, 2)),
    ("libopus", "mp4", (8000, 48000), (1, 2, 6)),
]
CASES = [
    (codec, container, rate, channels)
    for codec, container, rates, layouts in KINDS
    for rate in rates
    for channels in layouts
]


def heard(data: bytes, start_seconds: float) -> Sound:
    return read_views(data, [], [SoundRequest(start_seconds, 20000, 16000)])[1][0]


@pytest.mark.parametrize(("codec", "container", "rate_hz", "channels"), CASES)
def test_sound_of_every_kind_is_where_it_belongs(
    codec: str, container: str, rate_hz: int, channels: int
) -> None:
    recipe = Recipe(
        audio_codec=codec,
        container=container,
        audio_rate_hz=rate_hz,
        audio_channels=channels,
        fps=10,
        num_frames=30,
    )
    data = encoded(recipe)
    # Matroska rounds every time to a millisecond, before anybody reads it.
    tolerance = 0.6e-3 if container == "matroska" else 0.2e-3
    for start in (0.0, 0.5, 0.8123457, 1.6180339):
        sound = heard(data, start)
        assert sound.coverage > 0.99 or start > 1.7
        for seconds in recipe.chirp_seconds:
            if start + 0.05 < seconds < start + 1.1:
                assert abs(chirp_lag_seconds(sound.samples[0], seconds - start)) < tolerance
                assert np.abs(sound.samples).max() > 0.35


@pytest.mark.parametrize("rate_hz", [8000, 11025, 16000])
def test_a_window_sounds_as_in_the_whole(rate_hz: int) -> None:
    """A packet leans on the one before, which is 128 ms long at 8 kHz."""
    recipe = Recipe(
        audio_rate_hz=rate_hz, audio_channels=1, channel_tones_hz=(700,), fps=10, num_frames=30
    )
    data = encoded(recipe)
    whole = read_views(data, [], [SoundRequest(0.0, 2 * rate_hz, rate_hz)])[1][0].samples[0]
    for first in range(rate_hz // 2, rate_hz, rate_hz // 40):
        request = SoundRequest(first / rate_hz, rate_hz // 2, rate_hz)
        part = read_views(data, [], [request])[1][0].samples[0]
        np.testing.assert_allclose(part, whole[first : first + len(part)], atol=1e-6)


@pytest.mark.parametrize("codec", ["aac", "flac", "libopus"])
def test_a_gap_in_a_window_is_silence_and_moves_nothing(codec: str) -> None:
    recipe = Recipe(
        container="matroska",
        audio_codec=codec,
        audio_rate_hz=48000,
        chirp_seconds=(0.5, 1.0, 1.6),
        num_frames=0,
    )
    data = remuxed(encoded(recipe), lambda s: not 0.8 < s < 1.4)
    sound = heard(data, 0.45)
    assert not sound.samples[0, int(0.45 * 16000) : int(0.9 * 16000)].any()
    assert sound.coverage == pytest.approx(0.65 / 1.25, abs=0.05)
    for seconds in (0.5, 1.6):
        assert abs(chirp_lag_seconds(sound.samples[0], seconds - 0.45)) < 1.1e-3
    inside = heard(data, 0.85)
    assert abs(chirp_lag_seconds(inside.samples[0], 1.6 - 0.85)) < 1.1e-3


@pytest.mark.parametrize(("container", "codec"), [("mp4", "aac"), ("matroska", "libopus")])
def test_what_lies_past_the_ends_is_silence(container: str, codec: str) -> None:
    recipe = Recipe(container=container, audio_codec=codec, audio_rate_hz=48000, fps=10)
    data = encoded(replace(recipe, num_frames=30))
    before, after, beyond = (heard(data, s) for s in (-1.0, 2.5, 100.0))
    assert not before.samples[0, :15900].any() and before.coverage == pytest.approx(0.2, abs=0.02)
    assert not after.samples[0, 9000:].any() and after.coverage == pytest.approx(0.4, abs=0.03)
    assert not beyond.samples.any() and beyond.coverage == 0
