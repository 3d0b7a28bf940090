"""Named random generators: no global seed, no order of calls that matters."""

from __future__ import annotations

import zlib

import numpy as np


def generator(seed: int, video_index: int, purpose: str) -> np.random.Generator:
    """Return the generator of one purpose in one video: a pure function of its arguments."""
    entropy = [seed, video_index, zlib.crc32(purpose.encode())]
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(entropy)))
