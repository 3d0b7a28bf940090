"""Script -> sound: the object's timbre at the contact, then the verb's gesture, over a hum.

    t            t+0.05                          t+0.55        t+0.9
    ●▇▇▅▄▃▂▂▁▁▁▁▁▁▁▁▁▁▁▁  modes of the noun, ringing out ───────┤
                 ▂▄▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▄▂  gesture of the verb

A noun is a set of resonances; a pair of verbs is a kind of gesture, and the direction in the
pair is the direction of its pitch: up for what makes true, down for what undoes it.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import fft

from sharder.world.script import Interaction, Script
from sharder.world.vocabulary import NOUNS, VERBS

Samples = npt.NDArray[np.float32]
Wave = npt.NDArray[np.float64]

SAMPLE_RATE_HZ = 44100
HUM_HZ = 50
SOUND_SECONDS = 0.9
"""No sound of an interaction lasts longer after its contact."""

ONSET_SECONDS = 0.05
"""The stretch after the contact in which the power of an impact is measured."""

ONSET_RMS = 0.1
"""Root mean square of each impact over its onset, before the background is added."""

GESTURE_RMS = 0.04
GESTURE_START_SECONDS = 0.05
GESTURE_SECONDS = 0.5

MODES_HZ: dict[str, tuple[float, ...]] = {
    "box": (310.0, 480.0, 720.0, 1050.0),
    "drum": (300.0, 355.0, 430.0, 520.0),
    "jar": (1900.0, 3150.0, 4700.0, 6000.0),
    "pan": (420.0, 1130.0, 2210.0, 3650.0),
    "kettle": (640.0, 900.0, 1280.0, 5200.0),
    "bell": (880.0, 1760.0, 2640.0, 5280.0),
    "bowl": (1350.0, 1550.0, 2900.0, 3300.0),
    "bottle": (560.0, 2450.0, 4100.0, 4400.0),
}
"""Resonances of each noun."""

DECAY_SECONDS: dict[str, float] = {
    "box": 0.04,
    "drum": 0.16,
    "jar": 0.1,
    "pan": 0.2,
    "kettle": 0.12,
    "bell": 0.24,
    "bowl": 0.17,
    "bottle": 0.07,
}
"""Time in which a noun's ringing falls to 1 / e."""


def synthesise(script: Script) -> Samples:
    """Return the sound of a video, float32 [2, samples] in [-1, 1], at 44.1 kHz.

    The mean power of each impact's first 50 ms is `snr_db` above the mean power of the
    background. Should the sum not fit into [-1, 1], all of it is made quieter.
    """
    sound = impacts(script) + background(script)
    peak = float(np.abs(sound).max())
    return np.asarray(sound * min(1.0, 0.95 / peak), np.float32)


def impacts(script: Script) -> Samples:
    """Return the interactions without background, float32 [2, samples]."""
    track = np.zeros((2, _num_samples(script)), np.float32)
    for number, interaction in enumerate(script.interactions):
        chance = script.generator(f"sound {number}")
        wave = interaction_wave(interaction, chance)
        start = round(interaction.seconds * SAMPLE_RATE_HZ)
        stop = min(start + len(wave), track.shape[1])
        gains = _pan(script, interaction.object_index)
        track[:, start:stop] += (gains[:, None] * wave[: stop - start]).astype(np.float32)
    return track


def background(script: Script) -> Samples:
    """Return pink noise with a mains hum, float32 [2, samples], alike in all rooms."""
    count = _num_samples(script)
    noise = _pink(script.generator("background"), count)
    noise += np.resize(_hum(), count)
    wanted = ONSET_RMS * 10.0 ** (-script.settings.snr_db / 20.0)
    noise *= np.float32(wanted / np.sqrt(np.mean(noise**2)))
    return np.stack([noise, noise])


def interaction_wave(interaction: Interaction, chance: np.random.Generator) -> Wave:
    """Return the sound of one interaction from its contact on, float64 [samples], 0.9 s."""
    seconds = np.arange(round(SOUND_SECONDS * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    wave = _impact(interaction.noun, seconds, chance)
    onset = seconds < ONSET_SECONDS
    wave *= ONSET_RMS / np.sqrt(np.mean(wave[onset] ** 2))
    gesture = _gesture(interaction.verb, seconds - GESTURE_START_SECONDS, chance)
    heard = np.abs(gesture) > 0.0
    wave += gesture * (GESTURE_RMS / np.sqrt(np.mean(gesture[heard] ** 2)))
    return np.asarray(wave * np.clip((SOUND_SECONDS - seconds) / 0.05, 0.0, 1.0), np.float64)


def _num_samples(script: Script) -> int:
    return round(script.settings.num_frames / script.settings.fps * SAMPLE_RATE_HZ)


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


def _impact(noun: str, seconds: Wave, chance: np.random.Generator) -> Wave:
    """Return the burst of the contact and the ringing of the object."""
    burst = chance.standard_normal(len(seconds)) * np.exp(-seconds / 0.004)
    detune = chance.uniform(0.985, 1.015)
    decay = DECAY_SECONDS[noun] * chance.uniform(0.85, 1.15)
    ringing = np.zeros(len(seconds))
    for hertz in MODES_HZ[noun]:
        size, phase = chance.uniform(0.7, 1.0), chance.uniform(0, 2 * np.pi)
        ringing += size * np.sin(2 * np.pi * hertz * detune * seconds + phase)
    return np.asarray(1.2 * burst + ringing * np.exp(-seconds / decay), np.float64)


def _gesture(verb: str, seconds: Wave, chance: np.random.Generator) -> Wave:
    """Return the verb's gesture, zero before 0 s; the pitch goes up or, for the inverse, down."""
    length = GESTURE_SECONDS * chance.uniform(0.9, 1.1)
    part = np.clip(seconds / length, 0.0, 1.0)
    inside = (seconds >= 0.0) & (seconds < length)
    pair, inverse = divmod(VERBS.index(verb), 2)
    progress = 1.0 - part if inverse else part
    shape = (_sweep, _two_tones, _swish, _bubbles)[pair]
    fade = np.clip(np.minimum(part, 1.0 - part) / 0.06, 0.0, 1.0)
    return np.asarray(shape(progress, part, chance) * fade * inside, np.float64)


def _tone(hertz: Wave) -> Wave:
    return np.asarray(np.sin(2 * np.pi * np.cumsum(hertz) / SAMPLE_RATE_HZ), np.float64)


def _sweep(progress: Wave, part: Wave, chance: np.random.Generator) -> Wave:
    """Return one gliding tone with three overtones: open, close."""
    hertz = chance.uniform(380.0, 420.0) * 4.5**progress
    tones = [_tone(multiple * hertz) / multiple**0.5 for multiple in (1, 2, 3, 4)]
    return np.asarray(np.sum(tones, axis=0), np.float64)


def _two_tones(progress: Wave, part: Wave, chance: np.random.Generator) -> Wave:
    """Return two steady tones, one after the other: turn-on, turn-off."""
    hertz = chance.uniform(950.0, 1050.0) * np.where(progress < 0.5, 1.0, 2.5)
    return _tone(hertz) * np.clip(np.abs(part - 0.5) / 0.05, 0.0, 1.0)


def _swish(progress: Wave, part: Wave, chance: np.random.Generator) -> Wave:
    """Return noise in a band that glides: put, take."""
    # Noise up to about 200 Hz, carried by a gliding tone, fills that much on either side of it.
    steps = chance.standard_normal(len(part) // 120 + 1)
    noise = np.convolve(np.repeat(steps, 120)[: len(part)], np.hanning(180), mode="same")
    return _tone(1400.0 * 4.0**progress) * noise


def _bubbles(progress: Wave, part: Wave, chance: np.random.Generator) -> Wave:
    """Return a train of six short blips, each higher than the last: fill, empty."""
    step = np.minimum(np.floor(progress * 6.0), 5.0) / 5.0
    hertz = chance.uniform(480.0, 520.0) * 4.0**step
    return _tone(hertz) * np.clip(2.0 * np.sin(2 * np.pi * part * 6.0), 0.0, 1.0)


assert set(MODES_HZ) == set(DECAY_SECONDS) == set(NOUNS)
