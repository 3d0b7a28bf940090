"""Packing with the copy profile beside a plain copy of the same bytes."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import median

from benchmarks.sharding.packing import (
    Taken,
    files_below,
    forget,
    moments_of,
    pack_command,
    pack_here,
    run,
)
from sharder.encode import CopyProfile

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


def cpu_beside_cp(files: Sequence[Path], folder: Path, rounds: int) -> dict[str, list[float]]:
    """CPU seconds of a whole pack by one process, and of `cp` of what it made."""
    root, plain = folder / "copied", folder / "plain"
    times: dict[str, list[float]] = {"pack": [], "cp": []}
    for _ in range(rounds):
        times["pack"].append(pack_here(files, root, CopyProfile()))
        times["cp"].append(plain_copy(root, plain).cpu_seconds)
    shutil.rmtree(root)
    shutil.rmtree(plain)
    return times


def copied_figures(raw: Raw) -> dict[str, float]:
    """What `benchmarks/shard.py` explains."""
    pairs = zip(raw["pack"], raw["cp"], strict=True)
    return {"copy_over_cp": median(p["wall_seconds"] / c["wall_seconds"] for p, c in pairs)}


def cpu_figures(times: dict[str, list[float]], video_seconds: float) -> dict[str, float]:
    """What `benchmarks/shard.py` explains."""
    cpu = median(times["pack"]) / video_seconds
    pairs = zip(times["pack"], times["cp"], strict=True)
    return {
        "copy_cpu_over_cp": median(one / other for one, other in pairs),
        "copy_cpu_over_video": cpu,
        "copy_core_hours": cpu * 3670,
    }
