"""Named randomness: every draw is a pure function of (seed, epoch, position, purpose)."""

from __future__ import annotations

import zlib

import numpy as np

LARGEST_SEED = 2**63 - 1
"""That every generator takes, torch's too."""


def check_seed(seed: int) -> None:
    """Raises ValueError for a seed outside [0, LARGEST_SEED]."""
    if not 0 <= seed <= LARGEST_SEED:
        raise ValueError(f"seed is {seed}; it must be in [0, 2^63)")


def generator(seed: int, epoch: int, position: int, purpose: str) -> np.random.Generator:
    """A fresh generator for one purpose at one position of one epoch.

    There are no global seeds and no order of calls that matters: equal arguments give equal
    draws in any process. `seed`, `epoch` and `position` are non-negative.
    """
    entropy = (seed, epoch, position, zlib.crc32(purpose.encode()))
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(entropy)))
