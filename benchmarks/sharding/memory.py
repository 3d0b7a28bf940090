"""How much memory a worker needs that detects, packs or verifies; each is a process of its own
that imports what that command's workers do, and no more."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

from replai.core.memory import keep_freed_memory
from tools.environment import HOME

SEGMENTS = {"copy": 48, "transcode": 24}
"""Made, of each profile: of a shard of that size, which copies from all its sources at a time."""
SOURCES = 20
LARGE = " 1080p"


def peaks(long: Path, large: Path, folder: Path) -> dict[str, float]:
    """Resident MB at the peak, by what was done: with `long`, and (LARGE) with SOURCES that are
    all `large`."""
    names = [folder / f"{number}.mp4" for number in range(SOURCES)]
    for name in names:
        name.symlink_to(large.absolute())
    found = {}
    for paths, size in (([long], ""), (names, LARGE)):
        found[f"detect{size}"] = peak_of("detect", paths[0])
        for profile in SEGMENTS:
            root = folder / f"{profile}{size}"
            found[f"{profile}{size}"] = peak_of(profile, root, *paths)
            shutil.rmtree(root)
    root = folder / "verified"
    peak_of("whole", root, large)
    found[f"verify{LARGE}"] = peak_of("verify", root)
    shutil.rmtree(root)
    for name in names:
        name.unlink()
    return found


def peak_figures(found: dict[str, float]) -> dict[str, float]:
    """What `benchmarks/shard.py` explains."""
    figures = {"verify_worker_peak_mb": found[f"verify{LARGE}"]}
    for size, name in (("", ""), (LARGE, "_1080p")):
        figures[f"detect_worker_peak_mb{name}"] = found[f"detect{size}"]
        figures[f"pack_worker_peak_mb{name}"] = max(found[one + size] for one in SEGMENTS)
    return figures


def peak_of(work: str, *arguments: Path) -> float:
    """Resident MB, at its peak, of a process that does `work`, a name of WORK."""
    command = [sys.executable, "-m", "benchmarks.sharding.memory", work, *map(str, arguments)]
    environment = {**os.environ, "PYTHONPATH": str(HOME)}
    told = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return float(told.stdout)


def detect(path: str) -> None:
    """Finds the moments of all of `path`."""
    from sharder.bursts import BurstConfig
    from sharder.detect import detect_in_source
    from sharder.sources import find_sources

    (source,) = find_sources([path], with_audio_files=False)
    if not detect_in_source(source, BurstConfig()).moments:
        raise RuntimeError(f"no moments in {path}")


def make_some(profile_name: str, folder: str, *paths: str) -> None:
    """Plans all of `paths`, and makes the first shard."""
    from benchmarks.sharding.packing import plan_of
    from sharder.encode import CopyProfile, Profile, TranscodeProfile
    from sharder.part import PARTS_NAME, make_shard
    from sharder.plan import PackConfig

    profile: Profile = CopyProfile() if profile_name == "copy" else TranscodeProfile()
    (Path(folder) / PARTS_NAME).mkdir(parents=True)
    config = PackConfig(samples_per_shard=SEGMENTS[profile_name])
    shard = next(iter(plan_of([Path(path) for path in paths], config).shards.items()))
    make_shard(shard, folder, profile)


def make_whole(folder: str, path: str) -> None:
    """Copies all of `path` into a finished root."""
    from benchmarks.sharding.packing import pack_here
    from sharder.encode import CopyProfile

    pack_here([Path(path)], Path(folder), CopyProfile())


def verify(folder: str) -> None:
    """Reads the root, and decodes every 50th sample of it."""
    from sharder.verify.run import VerifyConfig
    from sharder.verify.run import verify as verify_root

    if verify_root(folder, VerifyConfig(), 1, "benchmarks/shard.py", "").faults:
        raise RuntimeError(f"faults in {folder}")


WORK: dict[str, Callable[..., None]] = {
    "detect": detect,
    **{name: partial(make_some, name) for name in SEGMENTS},
    "whole": make_whole,
    "verify": verify,
}


def peak_mb() -> float:
    """Of this process, resident. `ru_maxrss` would count from what its parent had."""
    return int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) * 1024 / 1e6


if __name__ == "__main__":
    keep_freed_memory()  # as workers do
    WORK[sys.argv[1]](*sys.argv[2:])
    print(peak_mb())
