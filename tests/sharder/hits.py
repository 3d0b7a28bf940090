"""Made-up sounds for the detectors: noise, and hits in it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def noise(seconds: float, level: float = 0.01, seed: int = 0, *, rate: int) -> NDArray[np.float32]:
    """White noise; float32 [n]."""
    rng = np.random.default_rng(seed)
    return (level * rng.standard_normal(int(seconds * rate))).astype(np.float32)


def with_hits(
    samples: NDArray[np.float32], times: NDArray[np.float64], gain: float = 0.1, *, rate: int
) -> NDArray[np.float32]:
    """`samples` with decaying bursts: 20 dB above noise of level 0.01 at gain 0.1."""
    rng = np.random.default_rng(7)
    out = samples.copy()
    for seconds in times:
        t = np.arange(int(0.2 * rate)) / rate
        burst = gain * rng.standard_normal(len(t)) * np.minimum(t / 0.002, 1) * np.exp(-t / 0.03)
        at = int(seconds * rate)
        out[at : at + len(t)] += burst[: len(out) - at].astype(np.float32)
    return out


def hit_times(stop: float, seed: int = 1) -> NDArray[np.float64]:
    """Times of hits 0.3 to 2.5 s apart."""
    times = np.cumsum(np.random.default_rng(seed).uniform(0.3, 2.5, 200))
    return times[times < stop - 1]


def f1(found: list[float], true: list[float], tolerance: float = 0.05) -> float:
    """Each true time has one found time of its own, the nearest within the tolerance."""
    unmatched = list(true)
    hits = 0
    for seconds in found:
        near = [t for t in unmatched if abs(t - seconds) <= tolerance]
        if near:
            unmatched.remove(min(near, key=lambda t: abs(t - seconds)))
            hits += 1
    return 2 * hits / (len(found) + len(true))
