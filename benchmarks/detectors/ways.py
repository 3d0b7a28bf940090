"""All detectors as functions from samples to times."""

from __future__ import annotations

from functools import partial

import librosa
import numpy as np

from benchmarks.detectors.quality import Way
from benchmarks.detectors.released import released
from benchmarks.detectors.sounds import Mono
from replai.media.mono import resampled
from sharder.bursts import BurstConfig, detect_bursts
from sharder.moi import MoiConfig, detect_moments

LIBROSA_RATE_HZ = 22050


def ours(samples: Mono, rate_hz: int) -> list[float]:
    """`sharder detect`."""
    return [moment.seconds for moment in detect_bursts([samples], rate_hz, BurstConfig())]


def paper(samples: Mono, rate_hz: int) -> list[float]:
    """`sharder detect --detector paper`, with its resampling."""
    config = MoiConfig()
    blocks = resampled(np.array_split(samples, 60), rate_hz, config.sample_rate_hz)
    return [moment.seconds for moment in detect_moments(blocks, config)]


def librosa_onsets(samples: Mono, rate_hz: int, **options: float) -> list[float]:
    """librosa's onset detection, at the rate that its functions assume."""
    heard = librosa.resample(samples, orig_sr=rate_hz, target_sr=LIBROSA_RATE_HZ)
    times = librosa.onset.onset_detect(y=heard, sr=LIBROSA_RATE_HZ, units="time", **options)
    found: list[float] = times.tolist()
    return found


WAYS: dict[str, Way] = {
    "": ours,
    "paper_": paper,
    "released_": released,
    "librosa_": librosa_onsets,
    "librosa_tuned_": partial(librosa_onsets, delta=0.2),
}
"""Prefix of its figures -> detector."""
