"""Both detectors as one: at which rate each hears, the curve it follows, and the curve's unit.

samples at `sample_rate_hz` → curve → peaks → moments
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from replai.core.record import Moment
from sharder.bursts import BurstConfig, burst_curve
from sharder.moi import MoiConfig, energy_curve
from sharder.peaks import Curve, Frames, PeakRule, peak_moments

Config = BurstConfig | MoiConfig
"""What finds the moments: bursts (the default) or the paper's recipe."""

LOWEST_RATE_HZ, HIGHEST_RATE_HZ = 16000, 48000
"""Bursts are looked for in sound at its own rate, within these."""


@dataclass(frozen=True, kw_only=True)
class Detector:
    """A detector for sound that was recorded at a certain rate."""

    sample_rate_hz: int
    """Rate at which it hears."""
    frames: Frames
    rule: PeakRule
    curve: Callable[[Iterable[NDArray[np.float32]]], Iterator[Curve]]
    """Samples, float32 [n] each, mono → pieces of the curve, one value a frame."""

    def moments(self, curve: Iterable[Curve]) -> list[Moment]:
        """The moments of a sound with that curve, in rising order; seconds from its start."""
        return peak_moments(curve, self.frames, self.rule)


def detector_of(config: Config, native_rate_hz: int) -> Detector:
    """The detector for sound that was recorded at `native_rate_hz`."""
    if isinstance(config, MoiConfig):
        return Detector(
            sample_rate_hz=config.sample_rate_hz,
            frames=config.frames,
            rule=config.rule,
            curve=partial(energy_curve, config=config),
        )
    rate = min(max(native_rate_hz, LOWEST_RATE_HZ), HIGHEST_RATE_HZ)
    return Detector(
        sample_rate_hz=rate,
        frames=config.frames(rate),
        rule=config.rule,
        curve=partial(burst_curve, sample_rate_hz=rate, config=config),
    )


@dataclass(frozen=True, kw_only=True)
class Terms:
    """A detector's curve in plain words."""

    name: str
    """One word, for an axis."""
    meaning: str
    """What the curve shows."""
    unit: str
    short_unit: str
    reference: str
    """From what the unit is counted; follows the unit."""


def terms_of(config: Config) -> Terms:
    """How to speak of the curve, and of prominences, which have its unit."""
    if isinstance(config, MoiConfig):
        return Terms(
            name="energy",
            meaning="the energy of the sound",
            unit="standard deviations",
            short_unit="s.d.",
            reference=f"of the {config.norm_window_seconds:g} s around",
        )
    return Terms(
        name="rise",
        meaning="how much of the spectrum rises at once",
        unit="dB",
        short_unit="dB",
        reference=(
            f"above the background of the {config.norm_window_seconds:g} s around, "
            f"{config.most_rise_db:g} at most"
        ),
    )
