"""How much memory a process needs that packs a source of two hours."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from benchmarks.sharding.packing import plan_of
from replai.core.memory import keep_freed_memory
from sharder.encode import CopyProfile, Profile, TranscodeProfile
from sharder.part import PARTS_NAME, make_shard
from sharder.plan import PackConfig
from tools.environment import HOME

SEGMENTS = 24
PROFILES: dict[str, Profile] = {"copy": CopyProfile(), "transcode": TranscodeProfile()}


def peaks(path: Path, folder: Path) -> dict[str, float]:
    """Resident MB at the peak, by profile; each in a process of its own."""
    return {name: _peak_of(str(path), name, str(folder / name)) for name in PROFILES}


def _peak_of(*arguments: str) -> float:
    command = [sys.executable, "-m", "benchmarks.sharding.memory", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(HOME)}
    told = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return float(told.stdout)


def make_some(path: Path, profile: Profile, root: Path) -> None:
    """Plans all of `path`, and makes a shard of segments from its start to its end."""
    (root / PARTS_NAME).mkdir(parents=True)
    segments = sorted(
        plan_of([path], PackConfig()).segments, key=lambda segment: segment.core_start_seconds
    )
    chosen = tuple(segments[:: max(len(segments) // SEGMENTS, 1)])
    make_shard(("train-000000", chosen), str(root), profile)


def peak_mb() -> float:
    """Of this process, resident. `ru_maxrss` would count from what its parent had."""
    return int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) / 1000


if __name__ == "__main__":
    keep_freed_memory()  # as workers do
    make_some(Path(sys.argv[1]), PROFILES[sys.argv[2]], Path(sys.argv[3]))
    print(peak_mb())
