"""Sounds that no hand made: somebody talks, music plays. They rise softly, unlike an impact."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.signal import lfilter

Wave = npt.NDArray[np.float64]

FORMANTS_HZ = ((700, 1200), (300, 2300), (350, 800), (500, 1800), (450, 1100), (600, 1700))
"""First two resonances of the throat for six vowels."""

SCALE = (0, 2, 4, 7, 9)
"""Semitones of a pentatonic scale: whatever is drawn from it sounds like a tune."""


def talk_wave(chance: np.random.Generator, count: int, sample_rate_hz: int) -> Wave:
    """Return speech-like sound, float64 [count], of unit power: vowels, hisses and pauses."""
    sound = np.zeros(count)
    pitch_hz = chance.uniform(90.0, 230.0)
    place = 0
    while place < count:
        length = min(round(chance.uniform(0.14, 0.3) * sample_rate_hz), count - place)
        if chance.random() < 0.85:
            sound[place : place + length] = _syllable(chance, length, sample_rate_hz, pitch_hz)
        place += length
    return _unit_power(sound)


def _syllable(
    chance: np.random.Generator, length: int, sample_rate_hz: int, pitch_hz: float
) -> Wave:
    part = np.arange(length) / length
    glide = pitch_hz * chance.uniform(0.9, 1.1) * (1.0 + chance.uniform(-0.15, 0.15) * part)
    # A voice's source: a saw tooth, whose harmonics fall as 1 / f.
    wave = 1.0 - 2.0 * (np.cumsum(glide) / sample_rate_hz % 1.0)
    for hertz in FORMANTS_HZ[int(chance.integers(len(FORMANTS_HZ)))]:
        wave = wave + 2.0 * _resonance(wave, hertz, sample_rate_hz)
    if chance.random() < 0.3:
        hiss = np.diff(chance.standard_normal(length + 1))
        wave = wave * np.clip(part * 4.0 - 1.0, 0.0, 1.0) + hiss * np.clip(1.0 - 3.0 * part, 0, 1)
    return np.asarray(wave * np.sin(np.pi * part) ** 0.7, np.float64)


def _resonance(wave: Wave, hertz: float, sample_rate_hz: int) -> Wave:
    """Return what a resonance at `hertz`, 90 Hz wide, makes of the wave, at unit power."""
    radius = np.exp(-np.pi * 90.0 / sample_rate_hz)
    turn = 2.0 * radius * np.cos(2 * np.pi * hertz / sample_rate_hz)
    return _unit_power(np.asarray(lfilter([1.0], [1.0, -turn, radius * radius], wave)))


def music_wave(chance: np.random.Generator, count: int, sample_rate_hz: int) -> Wave:
    """Return music-like sound, float64 [count], of unit power: four bars over and over."""
    beat = round(chance.uniform(0.32, 0.6) * sample_rate_hz)
    key_hz = chance.uniform(110.0, 220.0)
    roots = [0, *chance.choice(SCALE, 3)]
    loop = np.concatenate(
        [_beat(chance, beat, sample_rate_hz, key_hz, int(root)) for root in roots for _ in range(4)]
    )
    return _unit_power(np.resize(loop, count))


def _beat(
    chance: np.random.Generator, length: int, sample_rate_hz: int, key_hz: float, root: int
) -> Wave:
    """Return a chord and one note of a tune."""
    seconds = np.arange(length) / sample_rate_hz
    fade = np.clip(seconds / 0.03, 0.0, 1.0) * np.clip((seconds[-1] - seconds) / 0.02, 0.0, 1.0)
    note = 12 + root + int(chance.choice(SCALE))
    wave = np.zeros(length)
    for semitones, size in ((root, 1.0), (root + 4, 0.6), (root + 7, 0.6), (note, 1.2)):
        phase = 2 * np.pi * key_hz * 2.0 ** (semitones / 12) * seconds
        wave += size * (np.sin(phase) + 0.4 * np.sin(2 * phase) + 0.2 * np.sin(3 * phase))
    return np.asarray(wave * fade * np.exp(-seconds / 0.5), np.float64)


def _unit_power(wave: Wave) -> Wave:
    return wave / max(float(np.sqrt(np.mean(wave**2))), 1e-9)
