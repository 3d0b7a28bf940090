"""Packing with the copy profile beside a plain copy of the same bytes."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import median

from benchmarks.sharding.packing import Taken, files_below, forget, moments_of, pack_command, run

SHARD = ("--profile", "copy", "--samples-per-shard", "25")
Raw = dict[str, list[dict[str, float]]]


def copied(files: Sequence[Path], seconds: float, folder: Path, rounds: int) -> Raw:
    """Both ways in turn."""
    moments, workers = moments_of(files, seconds, folder), str(os.cpu_count())
    root, plain = folder / "copied", folder / "plain"
    raw: Raw = {"pack": [], "cp": []}
    for number in range(rounds):
        ways = {
            "pack": lambda: pack_command(files, moments, root, *SHARD, "--workers", workers),
            "cp": lambda: plain_copy(root, plain),
        }
        if not number:
            ways["pack"]()  # the first copy needs a root
        for name in ("pack", "cp") if number % 2 else ("cp", "pack"):
            raw[name].append(asdict(ways[name]()))
    raw["bytes"] = [{"stored": sum(path.stat().st_size for path in files_below(root))}]
    shutil.rmtree(root)
    shutil.rmtree(plain)
    return raw


def plain_copy(root: Path, target: Path) -> Taken:
    """`cp -r`, until the bytes are on disk; caches cold."""
    shutil.rmtree(target, ignore_errors=True)
    forget(files_below(root))
    return run(["cp", "-r", str(root), str(target)])


def copied_figures(raw: Raw, video_seconds: float) -> dict[str, float]:
    """What `benchmarks/shard.py` explains."""
    pairs = list(zip(raw["pack"], raw["cp"], strict=True))
    cpu = median(pack["cpu_seconds"] for pack, _ in pairs) / video_seconds
    return {
        "copy_over_cp": median(p["wall_seconds"] / c["wall_seconds"] for p, c in pairs),
        "copy_cpu_over_cp": median(p["cpu_seconds"] / c["cpu_seconds"] for p, c in pairs),
        "copy_cpu_over_video": cpu,
        "copy_core_hours": cpu * 3670,
    }
