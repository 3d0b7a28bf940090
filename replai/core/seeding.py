"""Named randomness: every draw is a pure function of (seed, epoch, position, purpose)."""

from __future__ import annotations

import zlib

import numpy as np


def generator(seed: int, epoch: int, position: int, purpose: str) -> np.random.Generator:
    """A fresh generator for one purpose at one position of one epoch.

    There are no global seeds and no order of calls that matters: equal arguments give equal
    draws in any process. `seed`, `epoch` and `position` are non-negative.
    """
    entropy = (seed, epoch, position, zlib.crc32(purpose.encode()))
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(entropy)))
