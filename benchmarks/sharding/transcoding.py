"""Packing with the transcoded profile beside a bare loop, and by two processes beside one."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from statistics import median

from benchmarks.sharding.bare import bare
from benchmarks.sharding.packing import moments_of, pack_command, pack_here, plan_of
from sharder.encode import TranscodeProfile
from sharder.plan import PackConfig
from sharder.segments import Segment

Times = dict[str, list[float]]


def beside_bare(files: Sequence[Path], folder: Path, rounds: int) -> Times:
    """CPU seconds of a whole pack in this process, and of the bare loop over its segments."""
    plan, root, profile = plan_of(files, PackConfig()), folder / "transcoded", TranscodeProfile()
    bare(plan.segments[:1], profile)  # imports and tables
    ways: dict[str, Callable[[], float]] = {
        "pack": lambda: pack_here(files, root, profile),
        "bare": lambda: _cpu_seconds(lambda: bare(plan.segments, profile)),
    }
    times: Times = {name: [] for name in ways}
    for number in range(rounds):
        for name in list(ways)[:: 1 if number % 2 else -1]:
            times[name].append(ways[name]())
    shutil.rmtree(root)
    return times


def packed(files: Sequence[Path], folder: Path, rounds: int) -> list[float]:
    """CPU seconds of a whole pack in this process, round by round."""
    root = folder / "transcoded"
    found = [pack_here(files, root, TranscodeProfile()) for _ in range(rounds)]
    shutil.rmtree(root)
    return found


def speedup(
    files: Sequence[Path], seconds: float, folder: Path, rounds: int, engines: Sequence[str]
) -> Times:
    """Wall seconds of `sharder pack` by one and two workers of each engine, and of the machine."""
    moments, root = moments_of(files, seconds, folder), folder / "speedup"
    segments = plan_of(files, PackConfig()).segments
    half = segments[: max(len(segments) // 4, 1)]

    def packed(engine: str, workers: int) -> Callable[[], object]:
        options = ("--workers", str(workers), "--samples-per-shard", "3")
        chosen = () if engine == "local" else ("--engine", engine)
        return lambda: pack_command(files, moments, root, *options, *chosen)

    ways = {f"{engine} {n}": packed(engine, n) for engine in engines for n in (1, 2)}
    ways |= {"machine 1": lambda: _bare_by(1, half), "machine 2": lambda: _bare_by(2, half)}
    times: Times = {name: [] for name in ways}
    for number in range(rounds):
        for name in list(ways)[:: 1 if number % 2 else -1]:
            started = time.perf_counter()
            ways[name]()
            times[name].append(time.perf_counter() - started)
    shutil.rmtree(root)
    return times


def bare_figures(times: Times, video_seconds: float) -> dict[str, float]:
    """What `benchmarks/shard.py` explains."""
    pairs = zip(times["pack"], times["bare"], strict=True)
    cpu = median(times["pack"]) / video_seconds
    return {
        "transcode_over_bare": median(one / other for one, other in pairs),
        "transcode_cpu_over_video": cpu,
        "transcode_core_hours": cpu * 3670,
    }


def large_figures(seconds: Sequence[float], video_seconds: float) -> dict[str, float]:
    """What `benchmarks/shard.py` explains."""
    cpu = median(seconds) / video_seconds
    return {"transcode_cpu_over_video_1080p": cpu, "transcode_core_hours_1080p": cpu * 3670}


def speedup_figures(times: Times) -> dict[str, float]:
    """What `benchmarks/shard.py` explains."""
    names = dict.fromkeys(name.split()[0] for name in times)
    return {
        f"{name}_speedup_2": median(
            one / two for one, two in zip(times[f"{name} 1"], times[f"{name} 2"], strict=True)
        )
        for name in names
    }


def _bare(segments: Sequence[Segment]) -> int:
    return bare(segments, TranscodeProfile())


def _bare_by(processes: int, segments: Sequence[Segment]) -> None:
    """The same segments twice, by one process or by two."""
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        list(pool.map(_bare, [segments, segments]))


def _cpu_seconds(call: Callable[[], object]) -> float:
    started = time.process_time()
    call()
    return time.process_time() - started
