"""The sound of one interaction: the object's timbre at the contact, then the verb's gesture.

    t            t+0.05                          t+0.55        t+0.9
    ●▇▇▅▄▃▂▂▁▁▁▁▁▁▁▁▁▁▁▁  modes of the noun, ringing out ───────┤
                 ▂▄▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▄▂  gesture of the verb

A noun is a set of resonances; a pair of verbs is a kind of gesture, and the direction in the
pair is the direction of its pitch: up for what makes true, down for what undoes it. With
coupling, the noun sets the gesture's pitch too and rings along with it.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from sharder.world.vocabulary import NOUNS, VERBS

Samples = npt.NDArray[np.float32]
Wave = npt.NDArray[np.float64]

SAMPLE_RATE_HZ = 44100
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

PITCH: dict[str, float] = {
    "box": 0.74,
    "drum": 0.65,
    "jar": 1.4,
    "pan": 0.83,
    "kettle": 0.93,
    "bell": 1.12,
    "bowl": 1.25,
    "bottle": 1.03,
}
"""By what a noun multiplies the pitch of a gesture, fully coupled."""


def impact_wave(verb: str, noun: str, chance: np.random.Generator, coupling: float) -> Wave:
    """Return the sound of one interaction from its contact on, float64 [samples], 0.9 s."""
    seconds = np.arange(round(SOUND_SECONDS * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    wave = _strike(noun, seconds, chance)
    onset = seconds < ONSET_SECONDS
    wave *= ONSET_RMS / np.sqrt(np.mean(wave[onset] ** 2))
    pitch = PITCH[noun] ** coupling
    gesture = _gesture(verb, seconds - GESTURE_START_SECONDS, pitch, chance)
    heard = np.abs(gesture) > 0.0
    wave += gesture * (GESTURE_RMS / np.sqrt(np.mean(gesture[heard] ** 2)))
    if coupling:
        wave[heard] += coupling * GESTURE_RMS * _ringing(noun, seconds[heard])
    return np.asarray(wave * np.clip((SOUND_SECONDS - seconds) / 0.05, 0.0, 1.0), np.float64)


def _strike(noun: str, seconds: Wave, chance: np.random.Generator) -> Wave:
    """Return the burst of the contact and the ringing of the object."""
    burst = chance.standard_normal(len(seconds)) * np.exp(-seconds / 0.004)
    detune = chance.uniform(0.985, 1.015)
    decay = DECAY_SECONDS[noun] * chance.uniform(0.85, 1.15)
    ringing = np.zeros(len(seconds))
    for hertz in MODES_HZ[noun]:
        size, phase = chance.uniform(0.7, 1.0), chance.uniform(0, 2 * np.pi)
        ringing += size * np.sin(2 * np.pi * hertz * detune * seconds + phase)
    return np.asarray(1.2 * burst + ringing * np.exp(-seconds / decay), np.float64)


def _gesture(verb: str, seconds: Wave, pitch: float, chance: np.random.Generator) -> Wave:
    """Return the verb's gesture, zero before 0 s; the pitch goes up or, for the inverse, down."""
    length = GESTURE_SECONDS * chance.uniform(0.9, 1.1)
    part = np.clip(seconds / length, 0.0, 1.0)
    inside = (seconds >= 0.0) & (seconds < length)
    pair, inverse = divmod(VERBS.index(verb), 2)
    progress = 1.0 - part if inverse else part
    shape = (_sweep, _two_tones, _swish, _bubbles)[pair]
    fade = np.clip(np.minimum(part, 1.0 - part) / 0.06, 0.0, 1.0)
    return np.asarray(shape(progress, part, pitch, chance) * fade * inside, np.float64)


def _ringing(noun: str, seconds: Wave) -> Wave:
    """Return the noun's resonances, kept ringing, of unit power, with soft ends."""
    tones = np.sum([np.sin(2 * np.pi * hertz * seconds) for hertz in MODES_HZ[noun]], axis=0)
    fade = np.clip(np.minimum(seconds - seconds[0], seconds[-1] - seconds) / 0.05, 0.0, 1.0)
    return np.asarray(tones * fade * np.sqrt(2.0 / len(MODES_HZ[noun])), np.float64)


def _tone(hertz: Wave) -> Wave:
    return np.asarray(np.sin(2 * np.pi * np.cumsum(hertz) / SAMPLE_RATE_HZ), np.float64)


def _sweep(progress: Wave, part: Wave, pitch: float, chance: np.random.Generator) -> Wave:
    """Return one gliding tone with three overtones: open, close."""
    hertz = pitch * chance.uniform(380.0, 420.0) * 4.5**progress
    tones = [_tone(multiple * hertz) / multiple**0.5 for multiple in (1, 2, 3, 4)]
    return np.asarray(np.sum(tones, axis=0), np.float64)


def _two_tones(progress: Wave, part: Wave, pitch: float, chance: np.random.Generator) -> Wave:
    """Return two steady tones, one after the other: turn-on, turn-off."""
    hertz = pitch * chance.uniform(950.0, 1050.0) * np.where(progress < 0.5, 1.0, 2.5)
    return _tone(hertz) * np.clip(np.abs(part - 0.5) / 0.05, 0.0, 1.0)


def _swish(progress: Wave, part: Wave, pitch: float, chance: np.random.Generator) -> Wave:
    """Return noise in a band that glides: put, take."""
    # Noise up to about 200 Hz, carried by a gliding tone, fills that much on either side of it.
    steps = chance.standard_normal(len(part) // 120 + 1)
    noise = np.convolve(np.repeat(steps, 120)[: len(part)], np.hanning(180), mode="same")
    return _tone(pitch * 1400.0 * 4.0**progress) * noise


def _bubbles(progress: Wave, part: Wave, pitch: float, chance: np.random.Generator) -> Wave:
    """Return a train of six short blips, each higher than the last: fill, empty."""
    step = np.minimum(np.floor(progress * 6.0), 5.0) / 5.0
    hertz = pitch * chance.uniform(480.0, 520.0) * 4.0**step
    return _tone(hertz) * np.clip(2.0 * np.sin(2 * np.pi * part * 6.0), 0.0, 1.0)


assert set(MODES_HZ) == set(DECAY_SECONDS) == set(PITCH) == set(NOUNS)
