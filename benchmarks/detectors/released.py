"""The released code's detector, from its description.

Sound in pieces of 10 s, as it wants its videos cut; scipy's spectrogram of 256 samples, 32 of them
overlapping; log10(S + 1e-5); each frequency normalised over the piece; mean over frequencies; peaks
of prominence 1 and 10 frames apart. Kind to it: peaks in the first and last 0.6 s of a piece, which
it does not use, count as found.
"""

from __future__ import annotations

import numpy as np
from scipy.signal import find_peaks, spectrogram

from benchmarks.detectors.sounds import Mono

PIECE_SECONDS = 10


def released(samples: Mono, rate_hz: int) -> list[float]:
    """Times of the peaks in seconds."""
    found: list[float] = []
    for at in range(0, len(samples), PIECE_SECONDS * rate_hz):
        piece = samples[at : at + PIECE_SECONDS * rate_hz]
        if len(piece) < 256:
            continue
        _, times, power = spectrogram(piece, rate_hz, nperseg=256, noverlap=32)
        level = np.log10(power + 1e-5)
        spread = np.maximum(level.std(axis=1, keepdims=True), 1e-12)
        energy = ((level - level.mean(axis=1, keepdims=True)) / spread).mean(axis=0)
        peaks, _ = find_peaks(energy, distance=10, prominence=1.0)
        found += (at / rate_hz + times[peaks]).tolist()
    return found
