"""What is heard besides interactions: talk, music, other rooms, and objects that are on."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from scipy import fft
from scipy.signal import butter, lfilter

from sharder.world.impact import (
    MODES_HZ,
    ONSET_RMS,
    SAMPLE_RATE_HZ,
    Samples,
    Wave,
    impact_wave,
)
from sharder.world.motion import frame_seconds, gaze_path, object_middle
from sharder.world.script import Script
from sharder.world.voices import music_wave, talk_wave

TALK_SECONDS = (1.5, 5.0)
MUFFLED_HZ = 1200.0
"""What a wall lets through."""

EARSHOT = 0.55
"""Distance from the gaze, in frame heights, at which what is on is heard at 1 / e."""

STATE_ON = 1


def ambience(script: Script) -> Samples:
    """Return all of it together, float32 [samples], alike in both ears."""
    sound = np.zeros(script.num_samples(SAMPLE_RATE_HZ), np.float32)
    for part in (_talk, _music, _other_rooms, _running):
        part(script, sound)
    return sound


def _level(script: Script) -> float:
    """Return the root mean square of talk and music."""
    return float(ONSET_RMS * 10.0 ** (-script.settings.distractor_db / 20.0))


def _talk(script: Script, sound: Samples) -> None:
    """Add stretches of talk, one voice each."""
    share = script.settings.talk_share
    if not share:
        return
    chance = script.generator("talk")
    seconds = 0.0
    while True:
        length = chance.uniform(*TALK_SECONDS)
        # Pauses are as long as it takes for talk to fill its share of the time.
        seconds += chance.exponential(length * (1.0 - share) / share)
        start = round(seconds * SAMPLE_RATE_HZ)
        count = min(round(length * SAMPLE_RATE_HZ), len(sound) - start)
        if count <= 0:
            return
        sound[start : start + count] += _level(script) * talk_wave(chance, count, SAMPLE_RATE_HZ)
        seconds += length


def _music(script: Script, sound: Samples) -> None:
    chance = script.generator("music")
    if chance.random() < script.settings.music_probability:
        sound += (_level(script) * music_wave(chance, len(sound), SAMPLE_RATE_HZ)).astype(
            np.float32
        )


def _other_rooms(script: Script, sound: Samples) -> None:
    """Add interactions behind a wall."""
    gain = 10.0 ** (-script.settings.distractor_db / 20.0)
    numerator, denominator = butter(2, MUFFLED_HZ, fs=SAMPLE_RATE_HZ)
    for number, heard in enumerate(script.offscreen):
        chance = script.generator(f"offscreen {number}")
        wave = impact_wave(heard.verb, heard.noun, chance, script.settings.coupling)
        start = round(heard.seconds * SAMPLE_RATE_HZ)
        stop = min(start + len(wave), len(sound))
        muffled = lfilter(numerator, denominator, wave * gain)
        sound[start:stop] += muffled[: stop - start].astype(np.float32)


def _running(script: Script, sound: Samples) -> None:
    """Add the hum of each object that is on, in its own timbre, as loud as it is near the gaze."""
    loudness = script.settings.running_loudness
    if not loudness:
        return
    frames = frame_seconds(script)
    gaze = gaze_path(script)
    seconds = np.arange(len(sound), dtype=np.float32) / np.float32(SAMPLE_RATE_HZ)
    for index, item in enumerate(script.objects):
        off_axis = np.abs(gaze[:, 1] - object_middle(script, index)[1])
        near = np.exp(-((off_axis / EARSHOT) ** 2)) * _is_on(script, index, frames)
        hum = _hum_of(item.noun, script.generator(f"hum {index}"))
        gain = np.interp(seconds, frames, near).astype(np.float32)
        sound += np.float32(loudness * ONSET_RMS) * gain * np.resize(hum, len(sound))


def _is_on(script: Script, object_index: int, frames: Wave) -> Wave:
    """Return 1 for each frame in which the object is on, else 0."""
    changes = [
        (change.seconds, float(change.state_after[STATE_ON]))
        for change in script.changes
        if change.object_index == object_index
    ]
    start = (0.0, float(script.objects[object_index].initial_state[STATE_ON]))
    steps = [start, *changes, (np.inf, 0.0)]
    is_on = np.zeros(len(frames))
    for (begin, value), (end, _) in pairwise(steps):
        is_on[(frames >= begin) & (frames < end)] = value
    return is_on


def _hum_of(noun: str, chance: np.random.Generator) -> Samples:
    """Return one second of noise about the noun's resonances, float32, of unit power; it loops."""
    spectrum = fft.rfft(chance.standard_normal(SAMPLE_RATE_HZ))
    hertz = fft.rfftfreq(SAMPLE_RATE_HZ, 1 / SAMPLE_RATE_HZ)
    shape = sum(np.exp(-(((hertz - mode) / 15.0) ** 2)) for mode in MODES_HZ[noun])
    hum = fft.irfft(spectrum * shape, SAMPLE_RATE_HZ)
    return np.asarray(hum / np.sqrt(np.mean(hum**2)), np.float32)
