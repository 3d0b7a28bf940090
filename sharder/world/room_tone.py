"""The tone of a room: a steady hum whose bands follow from the colours of wall and table.

As in real houses what a place sounds like can be told from what it looks like. Who matches sight
with sound can do so by the place alone, without a look at what is done there.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import fft

from sharder.world.impact import SAMPLE_RATE_HZ, Samples
from sharder.world.script import Script

BANDS_HZ = ((250.0, 600.0, 1100.0), (1800.0, 2800.0, 4200.0))
"""Of the wall's hue and of the table's, each band loudest at another third of the circle."""

BAND_WIDTH_HZ = 30.0


def room_hues(script: Script) -> tuple[float, float] | None:
    """Return the hues of wall and table in [0, 1); None where the room has no tone."""
    if not script.settings.room_tone:
        return None
    wall, table = script.generator("hues").random(2)
    return float(wall), float(table)


def room_tone(chance: np.random.Generator, hues: tuple[float, float]) -> Samples:
    """Return one second of the tone of wall and table, float32, of unit power; it loops."""
    spectrum = fft.rfft(chance.standard_normal(SAMPLE_RATE_HZ))
    hertz = fft.rfftfreq(SAMPLE_RATE_HZ, 1 / SAMPLE_RATE_HZ)
    shape = np.zeros_like(hertz)
    for hue, bands in zip(hues, BANDS_HZ, strict=True):
        for gain, band in zip(band_gains(hue), bands, strict=True):
            shape += gain * np.exp(-(((hertz - band) / BAND_WIDTH_HZ) ** 2))
    tone = fft.irfft(spectrum * shape, SAMPLE_RATE_HZ)
    return np.asarray(tone / np.sqrt(np.mean(tone**2)), np.float32)


def band_gains(hue: float) -> npt.NDArray[np.float64]:
    """Return how loud the three bands of a surface are, float64 [3] in [0, 1]."""
    return np.asarray((1.0 + np.cos(2 * np.pi * (hue - np.arange(3) / 3))) / 2, np.float64)
