"""Seeds -> sounds of made-up worlds, plain and coded, and their truth."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from replai.media.audio import audio_blocks
from sharder.world import WorldSettings, settings_of
from sharder.world.movie import _add_audio, _audio_frames
from sharder.world.script import write_script
from sharder.world.sound import SAMPLE_RATE_HZ, Samples, synthesise

Mono = NDArray[np.float32]
SNR_DB = (0, 5, 10, 15, 20, 30)
"""Of worlds that are easy but for it."""
LEVELS = ("medium", "hard")
"""Worlds with talk, music, and interactions that are heard through the wall and are none."""
SECONDS = 60.0


@dataclass(frozen=True)
class Heard:
    """A sound, mono at 44.1 kHz, and its contacts."""

    seed: int
    world: str
    """Which: its SNR, "10db", or its level, "medium"."""
    coded: bool
    samples: Mono
    truth: tuple[float, ...]


def sounds(seeds: Sequence[int]) -> Iterator[Heard]:
    """Of each seed, and each SNR and level, the sound itself and the sound out of a file."""
    for seed in seeds:
        for world, settings in _worlds(seed).items():
            script = write_script(settings, 0)
            truth = tuple(one.seconds for one in script.interactions)
            stereo = synthesise(script)
            yield Heard(seed, world, False, stereo.mean(axis=0), truth)
            yield Heard(seed, world, True, _through_aac(stereo), truth)


def _worlds(seed: int) -> dict[str, WorldSettings]:
    size: dict[str, Any] = {
        "num_train_videos": 1, "num_test_videos": 0, "duration_seconds": SECONDS, "seed": seed,
    }  # fmt: skip
    easy = {f"{snr_db}db": settings_of("easy", snr_db=snr_db, **size) for snr_db in SNR_DB}
    return {**easy, **{level: settings_of(level, **size) for level in LEVELS}}


def _through_aac(stereo: Samples) -> Mono:
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        stream = _add_audio(container)
        for frame in _audio_frames(stereo):
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return np.concatenate(list(audio_blocks(file.getvalue(), SAMPLE_RATE_HZ)))
