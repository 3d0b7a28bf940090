"""Does memory stay flat over 10,000 decodes? python benchmarks/decode_memory.py --json FILE

One process, as a decode worker is one: small moments (two clips, one sound) of files of several
kinds, one in twenty of them damaged. What counts is how much the resident memory grows after the
first 1,000, when every codec has been opened and every buffer has found its size.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np

from tests.replai.media.fuzz import RECIPES, check_views, damaged
from tests.replai.media.synthetic import encoded

NUM_DECODES, WARM_DECODES, EVERY = 10_000, 1_000, 250
DAMAGED_SHARE = 0.05
GOAL_MEGABYTES = 10.0


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, required=True, help="file to write")
    parser.add_argument("--decodes", type=int, default=NUM_DECODES)
    arguments = parser.parse_args()
    if arguments.decodes < WARM_DECODES:
        parser.error(f"--decodes is {arguments.decodes}; it must be at least {WARM_DECODES}")
    av.logging.set_level(None)
    counts = {"views": 0, "refused": 0}
    megabytes: dict[int, float] = {}
    for number, data in enumerate(files(arguments.decodes)):
        counts[check_views(data)] += 1
        if (number + 1) % EVERY == 0:
            megabytes[number + 1] = resident_megabytes()
    warm = [size for number, size in megabytes.items() if number >= WARM_DECODES]
    figures = {
        "decodes": arguments.decodes,
        "refused": counts["refused"],
        "resident_megabytes_warm": warm[0],
        "resident_megabytes_end": warm[-1],
        "growth_megabytes": warm[-1] - warm[0],
        "growth_megabytes_per_1000": slope(warm) * 1000 / EVERY,
        "goal_megabytes": GOAL_MEGABYTES,
    }
    result = {
        "figures": figures,
        "raw": {"resident_megabytes": megabytes},
        "command": " ".join(["python", *sys.argv]),
        "versions": {"python": platform.python_version(), "av": av.__version__},
    }
    arguments.json.write_text(json.dumps(result, indent=1) + "\n")
    for name, value in figures.items():
        print(f"{name:30} {value:.2f}")


def files(count: int) -> Iterator[bytes]:
    """`count` files in turns, DAMAGED_SHARE of them damaged, each in its own way."""
    sources = [encoded(recipe) for recipe in RECIPES]
    draw = np.random.default_rng(0)
    for number in range(count):
        broken = draw.uniform() < DAMAGED_SHARE
        yield damaged(sources, number) if broken else sources[number % len(sources)]


def resident_megabytes() -> float:
    """What of this process is in memory now (not the most there ever was)."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 1e6


def slope(values: list[float]) -> float:
    """Growth from one value to the next, by least squares."""
    return float(np.polyfit(np.arange(len(values)), values, 1)[0]) if len(values) > 1 else 0.0


if __name__ == "__main__":
    main()
