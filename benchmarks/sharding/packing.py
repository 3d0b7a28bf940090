"""Packs as a user runs them, in a process of their own, and in this process."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from replai.core.annotations import Annotations, CheckedAnnotations
from replai.core.record import Moment
from sharder.encode import Profile
from sharder.engine import LocalEngine
from sharder.pack import pack
from sharder.plan import PackConfig, Plan, make_plan, probe_all
from sharder.sources import find_sources
from tools.environment import HOME

MOMENTS_EVERY_SECONDS = 12.0


@dataclass(frozen=True)
class Taken:
    """What a command took, its own process alone but for the wall time."""

    wall_seconds: float
    cpu_seconds: float


def moments_of(files: Sequence[Path], seconds: float, folder: Path) -> Path:
    """A CSV with moments of each file."""
    path = folder / "moments.csv"
    times = [MOMENTS_EVERY_SECONDS * (i + 0.5) for i in range(int(seconds / MOMENTS_EVERY_SECONDS))]
    rows = [f"{file.stem},{time}" for file in files for time in times]
    path.write_text("\n".join(["video_id,seconds", *rows]) + "\n")
    return path


def plan_of(files: Sequence[Path], config: PackConfig) -> Plan:
    """What `sharder pack` would plan for `files`."""
    sources = find_sources([str(file) for file in files], with_audio_files=False)
    probed = probe_all(sources, LocalEngine(1))
    moments = {source.video_id: [Moment(seconds=6.0, prominence=None)] for source in sources}
    return make_plan(probed, moments, CheckedAnnotations(), config, 0, {})


def pack_command(files: Sequence[Path], moments: Path, root: Path, *options: str) -> Taken:
    """`sharder pack FILES`, to a new root, until its bytes are on disk; caches cold."""
    shutil.rmtree(root, ignore_errors=True)
    forget(files)
    command = [sys.executable, "-m", "sharder.cli", "pack", *map(str, files), "--moments",
               str(moments), "--out", str(root), *options]  # fmt: skip
    return run(command)


def run(command: Sequence[str]) -> Taken:
    """A command, until what it wrote is on disk. Raises RuntimeError if it fails."""
    environment = {**os.environ, "PYTHONPATH": str(HOME)}
    started = time.perf_counter()
    process = subprocess.Popen(command, env=environment, stdout=2)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    os.sync()
    wall = time.perf_counter() - started
    if process.returncode:
        raise RuntimeError(f"{command[2:5]} ended with {process.returncode}")
    return Taken(wall, usage.ru_utime + usage.ru_stime)


def pack_here(files: Sequence[Path], root: Path, profile: Profile) -> float:
    """CPU seconds of a whole pack, to a new root, in this process."""
    shutil.rmtree(root, ignore_errors=True)
    started = time.process_time()
    pack(
        find_sources([str(file) for file in files], with_audio_files=False),
        {file.stem: [Moment(seconds=6.0, prominence=None)] for file in files},
        Annotations(), str(root), profile, PackConfig(), LocalEngine(1), "benchmarks/shard.py",
    )  # fmt: skip
    return time.process_time() - started


def forget(files: Sequence[Path]) -> None:
    """Has the system drop what it keeps of `files` in memory."""
    os.sync()
    for path in files:
        with path.open("rb") as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def files_below(folder: Path) -> list[Path]:
    """All of them."""
    return sorted(path for path in folder.rglob("*") if path.is_file())
