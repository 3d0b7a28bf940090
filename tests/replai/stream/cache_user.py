"""A process that reads and fills a cache folder, for tests with many of them; needs no torch."""

from __future__ import annotations

from pathlib import Path

import numpy as np

import replai.stream.cache
from replai.stream.cache import DiskCache, sample_name

HASHES = ("a" * 64, "b" * 64)
NUM_NAMES = 60
LARGEST_BYTES = 20_000


def bytes_of(number: int) -> bytes:
    """The content of sample `number` of a made-up dataset: 5 to 20 kB."""
    draw = np.random.default_rng(number)
    return draw.bytes(int(draw.integers(5_000, LARGEST_BYTES)))


def use_hard(folder: Path, limit_bytes: int, seed: int) -> None:
    """Asks for samples at random and puts what is missing; an error if any bytes are wrong.

    Datasets are out of use so soon that samples are always being removed.
    """
    replai.stream.cache.IDLE_SECONDS = 0.02
    caches = [DiskCache(folder, limit_bytes, name) for name in HASHES]
    caches[0].tidy()
    draw = np.random.default_rng(seed)
    contents = [bytes_of(number) for number in range(NUM_NAMES)]
    hits = 0
    for number in draw.integers(0, NUM_NAMES, 800).tolist():
        data, cache = contents[number], caches[number % 2]
        name = sample_name(0, number, len(data))
        found = cache.get(name, len(data))
        assert found in (None, data), "other bytes than were put"
        hits += found is not None
        if found is None:
            cache.put(name, data)
    assert hits > 20
