"""How much memory a process needs that packs a source of two hours."""

from __future__ import annotations

import sys
from pathlib import Path

from benchmarks.sharding.packing import plan_of, run
from sharder.encode import CopyProfile, Profile, TranscodeProfile
from sharder.part import PARTS_NAME, make_shard
from sharder.plan import PackConfig

SEGMENTS = 24
PROFILES: dict[str, Profile] = {"copy": CopyProfile(), "transcode": TranscodeProfile()}


def peaks(path: Path, folder: Path) -> dict[str, float]:
    """Resident MB at the peak, by profile; each in a process of its own."""
    script = [sys.executable, "-m", "benchmarks.sharding.memory", str(path)]
    return {name: run([*script, name, str(folder / name)]).peak_mb for name in PROFILES}


def make_some(path: Path, profile: Profile, root: Path) -> None:
    """Plans all of `path`, and makes a shard of segments from its start to its end."""
    (root / PARTS_NAME).mkdir(parents=True)
    segments = sorted(
        plan_of([path], PackConfig()).segments, key=lambda segment: segment.core_start_seconds
    )
    chosen = tuple(segments[:: max(len(segments) // SEGMENTS, 1)])
    make_shard(("train-000000", chosen), str(root), profile)


if __name__ == "__main__":
    make_some(Path(sys.argv[1]), PROFILES[sys.argv[2]], Path(sys.argv[3]))
