"""How much memory a process needs that packs a source of two hours."""

from __future__ import annotations

import sys
from pathlib import Path

from benchmarks.sharding.packing import moments_of, pack_command, plan_of, run
from sharder.encode import TranscodeProfile
from sharder.part import make_shard
from sharder.plan import PackConfig

TRANSCODED_SEGMENTS = 24


def peaks(path: Path, seconds: float, folder: Path) -> dict[str, float]:
    """Resident MB at the peak, by profile; each in a process of its own."""
    moments = moments_of([path], seconds, folder)
    one = ("--profile", "copy", "--workers", "1")
    script = [sys.executable, "-m", "benchmarks.sharding.memory", str(path), str(folder / "some")]
    return {
        "copy": pack_command([path], moments, folder / "whole", *one).peak_mb,
        "transcode": run(script).peak_mb,
    }


def transcode_some(path: Path, root: Path) -> None:
    """Makes a shard of segments from the start of `path` to its end."""
    segments = sorted(
        plan_of([path], PackConfig()).segments, key=lambda segment: segment.core_start_seconds
    )
    chosen = tuple(segments[:: max(len(segments) // TRANSCODED_SEGMENTS, 1)])
    make_shard(("train-000000", chosen), str(root), TranscodeProfile())


if __name__ == "__main__":
    transcode_some(Path(sys.argv[1]), Path(sys.argv[2]))
