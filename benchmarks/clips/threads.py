"""Processes that decode side by side, on one thread each or on as many as libraries start."""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import shlex
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import cycle, islice
from multiprocessing.queues import SimpleQueue
from pathlib import Path
from typing import Any

import torch
from av.container import InputContainer
from av.filter import Graph

from benchmarks.clips.cases import Case, Segment, cases, make_segments
from benchmarks.clips.command import versions
from replai.core.memory import keep_freed_memory
from replai.media import container, resampler, scale
from replai.media.container import Media
from replai.stream.decode import decode_sample

CORES = os.cpu_count() or 1
WAYS = ("off", "codecs", "filters", "torch", "all")
MOMENTS = {"copy": 30, "stored": 200}
"""Of a process and a turn: some seconds."""
WARM_MOMENTS, LOOK_SECONDS = 6, 0.01
SMALL_TENSOR = 40_000
"""Numbers of a tensor that torch shares out among its threads: from 32,768 on it does."""


@dataclass(frozen=True)
class Turn:
    """What processes that decoded side by side took, all together."""

    moments_a_second: float
    cpu_seconds_a_moment: float
    threads: int
    """Most that one of them had."""


class _FreeGraph:
    """A graph whose number of threads nobody may set: FFmpeg's own choice."""

    def __init__(self) -> None:
        self.__dict__["graph"] = Graph()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__dict__["graph"], name)

    def __setattr__(self, name: str, value: object) -> None:
        assert name == "threads", name


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description="Do N decode workers fight for N cores?")
    parser.add_argument("--json", type=Path, required=True, help="file to write")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--data", type=Path, help="folder to keep the made-up videos in")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        segments = make_segments(arguments.data or Path(scratch))
    rounds = [_round(segments, number) for number in range(arguments.rounds)]
    found = figures(rounds)
    raw = [{name: asdict(turn) for name, turn in one.items()} for one in rounds]
    command = shlex.join(["python", "benchmarks/decode_threads.py", *sys.argv[1:]])
    absent = {"torchcodec": "not asked", "decord": "not asked"}
    told = {"figures": found, "raw": raw, "command": command, "versions": versions(absent)}
    arguments.json.write_text(json.dumps(told, indent=1) + "\n")
    for name, value in found.items():
        print(f"{name:36} {value:8.3f}")


Round = Mapping[str, Turn]
"""PROFILE_WAY → its turn; PROFILE_alone: one process of `off`."""


def _round(segments: Mapping[str, Sequence[Segment]], number: int) -> Round:
    turns: dict[str, Turn] = {}
    for profile, stored in segments.items():
        names = [*WAYS, "alone"]
        for name in names if number % 2 else reversed(names):
            way, count = ("off", 1) if name == "alone" else (name, CORES)
            turns[f"{profile}_{name}"] = _turn(way, cases(stored, 6), MOMENTS[profile], count)
            print(f"{number} {profile}_{name}: {turns[f'{profile}_{name}']}", flush=True)
    return turns


def figures(rounds: Sequence[Round]) -> dict[str, float]:
    """What `benchmarks/decode_threads.py` explains, by profile."""
    found: dict[str, float] = {"processes": CORES}
    for profile in MOMENTS:
        for way in WAYS:
            off = [(one[f"{profile}_off"], one[f"{profile}_{way}"]) for one in rounds]
            found[f"{profile}_threads_{way}"] = max(other.threads for _, other in off)
            if way != "off":
                found[f"{profile}_{way}_over_off_cpu"] = statistics.median(
                    other.cpu_seconds_a_moment / mine.cpu_seconds_a_moment for mine, other in off
                )
                found[f"{profile}_off_over_{way}_rate"] = statistics.median(
                    mine.moments_a_second / other.moments_a_second for mine, other in off
                )
        found[f"{profile}_scaling"] = statistics.median(
            one[f"{profile}_off"].moments_a_second
            / (CORES * one[f"{profile}_alone"].moments_a_second)
            for one in rounds
        )
    return found


def _turn(way: str, ones: Sequence[Case], num_moments: int, count: int) -> Turn:
    """`count` fresh processes decode `num_moments` each, beginning together."""
    context = multiprocessing.get_context("spawn")
    together, done = context.Barrier(count + 1), context.SimpleQueue()
    processes = [
        context.Process(target=_decode, args=(way, ones, num_moments, together, done))
        for _ in range(count)
    ]
    for process in processes:
        process.start()
    together.wait()
    started, threads = time.monotonic(), 0
    while any(process.is_alive() for process in processes):
        threads = max(threads, *(_num_threads(process.pid) for process in processes))
        time.sleep(LOOK_SECONDS)
    for process in processes:
        process.join()
        if process.exitcode:
            raise SystemExit(f"a process of {way} ended with {process.exitcode}")
    ended, cpu_seconds = zip(*(done.get() for _ in processes), strict=True)
    moments = count * num_moments
    return Turn(moments / (max(ended) - started), sum(cpu_seconds) / moments, threads)


def _decode(
    way: str, ones: Sequence[Case], num_moments: int, together: Any, done: SimpleQueue[Any]
) -> None:
    keep_freed_memory()  # as a worker
    torch.set_num_threads(CORES if way in ("torch", "all") else 1)
    if way in ("codecs", "all"):
        _free_codecs()
    if way in ("filters", "all"):
        scale.Graph = resampler.Graph = _FreeGraph  # type: ignore[assignment,attr-defined]
    for case in islice(cycle(ones), WARM_MOMENTS):
        decode_sample(case.sample, case.config)
    together.wait()
    cpu = time.process_time()
    for case in islice(cycle(ones), num_moments):
        decode_sample(case.sample, case.config)
        torch.zeros(SMALL_TENSOR).add_(1)
    done.put((time.monotonic(), time.process_time() - cpu))


def _free_codecs() -> None:
    ours = container._media

    def media(container: InputContainer) -> Media:
        found = ours(container)
        for stream in (found.video, found.audio):
            if stream is not None:
                stream.codec_context.thread_count = 0
                stream.codec_context.thread_type = "AUTO"
        return found

    container._media = media


def _num_threads(pid: int | None) -> int:
    try:
        return sum(1 for _ in Path(f"/proc/{pid}/task").iterdir())
    except FileNotFoundError:
        return 0
