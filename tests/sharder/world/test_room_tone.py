"""A room sounds as it looks."""

import colorsys
from dataclasses import replace

import numpy as np
import pytest

from sharder.world import WorldSettings
from sharder.world.ambience import ambience
from sharder.world.impact import ONSET_RMS, SAMPLE_RATE_HZ
from sharder.world.render import Scene
from sharder.world.room import draw_room
from sharder.world.room_tone import BANDS_HZ, band_gains, room_hues, room_tone
from sharder.world.script import write_script

SETTINGS = WorldSettings(duration_seconds=6.0, width=128, height=72, fps=16, room_tone=0.25)


@pytest.mark.parametrize("band", [0, 1, 2])
def test_a_red_green_or_blue_surface_has_one_loudest_band(band: int) -> None:
    hue = colorsys.rgb_to_hsv(*np.eye(3)[band])[0]
    assert band_gains(hue) == pytest.approx(np.where(np.arange(3) == band, 1.0, 0.25))


@pytest.mark.parametrize("surface", [0, 1])
def test_the_bands_that_are_heard_follow_from_the_colours_that_are_seen(surface: int) -> None:
    for index in range(6):
        script = write_script(SETTINGS, index)
        room = Scene(script)._empty
        seen = (room[:10] if surface == 0 else room[-10:]).reshape(-1, 3).mean(axis=0) / 255
        hues = room_hues(script)
        assert hues is not None
        hue = colorsys.rgb_to_hsv(*seen)[0]
        assert abs((hue - hues[surface] + 0.5) % 1 - 0.5) < 0.02
        power = np.abs(np.fft.rfft(room_tone(script.generator("tone"), hues))) ** 2
        heard = [power[round(band) - 60 : round(band) + 60].sum() for band in BANDS_HZ[surface]]
        gains = band_gains(hue)
        expected = gains**2 / (gains**2).sum()
        assert np.asarray(heard) / sum(heard) == pytest.approx(expected, abs=0.15)


def test_the_tone_is_steady_and_as_loud_as_asked_for() -> None:
    sound = ambience(write_script(SETTINGS, 0))
    assert np.sqrt(np.mean(sound**2)) == pytest.approx(0.25 * ONSET_RMS, rel=0.01)
    seconds = sound[: 6 * SAMPLE_RATE_HZ].reshape(6, SAMPLE_RATE_HZ)
    assert np.allclose(seconds[0], seconds[5])
    other = ambience(write_script(SETTINGS, 1))
    assert not np.allclose(sound, other, atol=1e-3)


def test_without_a_tone_a_room_draws_its_own_hues() -> None:
    script = write_script(replace(SETTINGS, room_tone=0.0, clutter=0), 0)
    assert room_hues(script) is None
    assert not ambience(script).any()
    empty = Scene(script)._empty
    assert np.array_equal(empty, draw_room(script.generator("room"), *empty.shape[:2]))
    assert not np.array_equal(empty, Scene(write_script(SETTINGS, 0))._empty)
