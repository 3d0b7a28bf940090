"""Script -> sound: the interactions, and what else is heard, over noise and hum."""

from __future__ import annotations

import numpy as np
from scipy import fft

from sharder.world.ambience import ambience
from sharder.world.impact import ONSET_RMS, SAMPLE_RATE_HZ, Samples, Wave, impact_wave
from sharder.world.script import Script

__all__ = ["SAMPLE_RATE_HZ", "Samples", "background", "impacts", "synthesise"]

HUM_HZ = 50


def synthesise(script: Script) -> Samples:
    """Return the sound of a video, float32 [2, samples] in [-1, 1], at 44.1 kHz.

    The mean power of each impact's first 50 ms is `snr_db` above the mean power of the
    background. Should the sum not fit into [-1, 1], all of it is made quieter.
    """
    sound = impacts(script) + background(script) + ambience(script)
    peak = float(np.abs(sound).max())
    return np.asarray(sound * min(1.0, 0.95 / peak), np.float32)


def impacts(script: Script) -> Samples:
    """Return the interactions without background, float32 [2, samples]."""
    track = np.zeros((2, script.num_samples(SAMPLE_RATE_HZ)), np.float32)
    for number, interaction in enumerate(script.interactions):
        chance = script.generator(f"sound {number}")
        coupling = script.settings.coupling
        wave = impact_wave(interaction.verb, interaction.noun, chance, coupling)
        start = round(interaction.seconds * SAMPLE_RATE_HZ)
        stop = min(start + len(wave), track.shape[1])
        gains = _pan(script, interaction.object_index)
        track[:, start:stop] += (gains[:, None] * wave[: stop - start]).astype(np.float32)
    return track


def background(script: Script) -> Samples:
    """Return pink noise with a mains hum, float32 [2, samples], alike in all rooms."""
    count = script.num_samples(SAMPLE_RATE_HZ)
    noise = _pink(script.generator("background"), count)
    noise += np.resize(_hum(), count)
    wanted = ONSET_RMS * 10.0 ** (-script.settings.snr_db / 20.0)
    noise *= np.float32(wanted / np.sqrt(np.mean(noise**2)))
    return np.stack([noise, noise])


def _pan(script: Script, object_index: int) -> Wave:
    """Return the gains of left and right, of mean square 1; objects at the ends differ most."""
    last = max(1, len(script.objects) - 1)
    side = 2.0 * script.objects[object_index].place / last - 1.0
    angle = np.pi / 4 + side * 0.2
    return np.asarray(np.sqrt(2.0) * np.array([np.cos(angle), np.sin(angle)]), np.float64)


def _hum() -> Samples:
    """Return one period of a mains hum with two overtones, float32 [882]."""
    phase = 2 * np.pi * np.arange(SAMPLE_RATE_HZ // HUM_HZ) * HUM_HZ / SAMPLE_RATE_HZ
    hum = 0.4 * np.sin(phase) + 0.25 * np.sin(2 * phase) + 0.12 * np.sin(3 * phase)
    return np.asarray(hum, np.float32)


def _pink(chance: np.random.Generator, count: int) -> Samples:
    """Return noise whose power falls as 1 / f from 40 Hz on, of unit power, float32 [count]."""
    size = fft.next_fast_len(count, real=True)
    spectrum = fft.rfft(chance.standard_normal(size, np.float32))
    frequency = fft.rfftfreq(size, 1 / SAMPLE_RATE_HZ).astype(np.float32)
    pink = fft.irfft(spectrum / np.sqrt(np.maximum(frequency, 40.0)), size)[:count]
    return np.asarray(pink / np.sqrt(np.mean(pink**2)), np.float32)
