from dataclasses import replace

import numpy as np
import pytest

from sharder.world import WorldSettings
from sharder.world.impact import ONSET_SECONDS, SAMPLE_RATE_HZ, SOUND_SECONDS
from sharder.world.script import write_script
from sharder.world.sound import background, impacts, synthesise

SETTINGS = WorldSettings(duration_seconds=12.0, seed=5)


def test_same_seed_same_sound_and_another_seed_another() -> None:
    sound = synthesise(write_script(SETTINGS, 0))
    assert np.array_equal(sound, synthesise(write_script(SETTINGS, 0)))
    other = synthesise(write_script(replace(SETTINGS, seed=6), 0))
    assert not np.array_equal(sound, other)


def test_sound_is_stereo_as_long_as_the_video_and_within_range() -> None:
    sound = synthesise(write_script(replace(SETTINGS, snr_db=-15.0), 0))
    assert sound.shape == (2, 12 * SAMPLE_RATE_HZ)
    assert sound.dtype == np.float32
    assert 0.5 < np.abs(sound).max() < 1.0


def test_interactions_sound_from_the_contact_on_and_for_no_longer_than_said() -> None:
    script = write_script(SETTINGS, 0)
    track = impacts(script)
    seconds = np.arange(track.shape[1]) / SAMPLE_RATE_HZ
    near = np.zeros(track.shape[1], bool)
    for action in script.interactions:
        since = seconds - action.seconds
        near |= (since > -1e-4) & (since < SOUND_SECONDS)
        assert np.abs(track[:, (since >= 0) & (since < 0.001)]).max() > 0.05
    assert not track[:, ~near].any()


@pytest.mark.parametrize("snr_db", [0.0, 20.0])
def test_impact_to_background_power_is_as_asked(snr_db: float) -> None:
    script = write_script(replace(SETTINGS, snr_db=snr_db), 0)
    sound, noise = synthesise(script).astype(float), background(script).astype(float)
    # The whole may have been made quieter; the quiet start tells by how much.
    quiet = slice(0, SAMPLE_RATE_HZ)
    noise *= np.sqrt(np.mean(sound[:, quiet] ** 2) / np.mean(noise[:, quiet] ** 2))
    powers = []
    for action in script.interactions:
        start = round(action.seconds * SAMPLE_RATE_HZ)
        onset = slice(start, start + round(ONSET_SECONDS * SAMPLE_RATE_HZ))
        powers.append(np.mean((sound - noise)[:, onset] ** 2))
    measured = 10 * np.log10(np.mean(powers) / np.mean(noise**2))
    assert measured == pytest.approx(snr_db, abs=0.7)
