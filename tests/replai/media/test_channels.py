"""A sound is the plain mean of a file's channels: none left out, none counted more than another."""

from __future__ import annotations

import io

import av
import numpy as np
import pytest

from replai.media.audio import SoundRequest
from replai.media.decode import read_views
from tests.replai.media.synthetic import TONE_LEVEL, Recipe, channels, encoded, tone_levels

TONES_HZ = (200, 330, 500, 20, 900, 1300)  # of a subwoofer AAC keeps the lowest alone
RATE_HZ = 16000


def toned(codec: str, num_channels: int) -> Recipe:
    return Recipe(
        container="mov", num_frames=0, audio_codec=codec, audio_rate_hz=RATE_HZ,
        audio_channels=num_channels, channel_tones_hz=TONES_HZ[:num_channels],
    )  # fmt: skip


def format_of(data: bytes) -> str:
    with av.open(io.BytesIO(data)) as container:
        return next(container.decode(audio=0)).format.name


@pytest.mark.parametrize("num_channels", [2, 6])
@pytest.mark.parametrize(("codec", "stored"), [("aac", "fltp"), ("pcm_s16le", "s16")])
def test_a_sound_is_the_mean_of_the_channels(codec: str, stored: str, num_channels: int) -> None:
    recipe = toned(codec, num_channels)
    data = encoded(recipe)
    assert format_of(data) == stored
    (heard,) = read_views(data, [], [SoundRequest(1.0, RATE_HZ, RATE_HZ)])[1]
    levels = tone_levels(heard.samples[0], recipe.channel_tones_hz)
    np.testing.assert_allclose(levels, TONE_LEVEL / num_channels, rtol=0.05)
    if stored == "s16":
        mean = channels(recipe)[RATE_HZ : 2 * RATE_HZ].mean(axis=1)
        np.testing.assert_allclose(heard.samples[0], mean, atol=2**-15)
