"""The turns of all ways, and the figures."""

from __future__ import annotations

import argparse
import json
import os
import platform
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch

from benchmarks.clips.cases import Case, Segment, cases, make_segments
from benchmarks.clips.floor import floor
from benchmarks.clips.peer_ways import decord, present, torchcodec
from benchmarks.clips.released import released
from benchmarks.clips.ways import decode_all, ours
from tools.environment import HOME, python_beside_ours

Way = Callable[[Case], Callable[[], object]]
Times = dict[str, list[float]]
"""Way -> CPU seconds of each moment, in the order of the moments."""

BATCH_BYTES = 10_000_000
"""A worker's first batch: freed, it has the allocator keep memory that it would give back."""
REQUIREMENTS = HOME / "benchmarks" / "decode-peers.txt"
IN_PEERS_PYTHON = "REPLAI_DECODE_PEERS"
PACKAGES = ("av", "torch", "torchvision", "numpy", "pillow", "torchcodec", "decord")


def main() -> None:
    """Entry point: starts itself again in the environment that has the peers."""
    parser = argparse.ArgumentParser(description="Decode beside its floor and its peers.")
    parser.add_argument("--json", type=Path, required=True, help="file to write")
    parser.add_argument("--moments", type=int, default=6, help="moments of each segment")
    parser.add_argument("--data", type=Path, help="folder to keep the made-up videos in")
    arguments = parser.parse_args()
    if IN_PEERS_PYTHON not in os.environ:
        command = [
            str(python_beside_ours(HOME / f".venv-{REQUIREMENTS.stem}", REQUIREMENTS)),
            *sys.argv,
        ]
        raise SystemExit(
            subprocess.run(
                command, env={**os.environ, IN_PEERS_PYTHON: "1"}, check=False
            ).returncode
        )
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as scratch:
        segments = make_segments(arguments.data or Path(scratch))
    result = measured(segments, arguments.moments)
    arguments.json.write_text(json.dumps(result, indent=1) + "\n")
    for name, value in result["figures"].items():  # type: ignore[attr-defined]
        print(f"{name:32} {value:8.3f}")


def measured(segments: Mapping[str, Sequence[Segment]], num_moments: int) -> dict[str, object]:
    """All of it; what the JSON file holds."""
    absent = {name: why for name in ("torchcodec", "decord") if (why := present(name))}
    ways = ways_without(absent)
    times: dict[str, Times] = {}
    for profile, stored in segments.items():
        ones = cases(stored, num_moments)
        times[profile] = turns(ones, ways, cases(stored, num_moments, per_visit=4))
        print(profile, {n: round(statistics.median(t) * 1e3, 1) for n, t in times[profile].items()})
    return {
        "figures": figures(times),
        "raw": {
            "cpu_seconds": times,
            "bytes": {p: {s.name: len(s.media) for s in found} for p, found in segments.items()},
            "absent": absent,
        },
        "command": shlex.join(["python", "benchmarks/decode.py", *sys.argv[1:]]),
        "versions": versions(absent),
    }


def ways_without(absent: Mapping[str, str]) -> dict[str, Way]:
    """All ways, by name, but for the peers that do not load here."""
    peers: dict[str, Way] = {"torchcodec": torchcodec, "decord": decord}
    return {
        "ours": ours,
        "floor": partial(floor, probe=False),
        "probed_floor": partial(floor, probe=True),
        "decode_all": decode_all,
        "released": released,
        **{name: way for name, way in peers.items() if name not in absent},
    }


def turns(ones: Sequence[Case], ways: Mapping[str, Way], fours: Sequence[Case]) -> Times:
    """Each moment by each way, in an order that turns round; ours and the floors three times.

    Of the three the median counts: their ratios are near one, those of the others are not. A way
    is warmed before each time with another moment, as a worker decodes one after the other.
    """
    times: Times = {name: [] for name in (*ways, "ours_four")}
    np.zeros(BATCH_BYTES, np.uint8)
    before = _calls(ways, ones[-1], fours[-1])
    for call in before.values():
        call()  # imports, tables
    for number, (one, four) in enumerate(zip(ones, fours, strict=True)):
        calls = _calls(ways, one, four)
        often = {name: [call] * (3 if _is_near(name) else 1) for name, call in calls.items()}
        order = [
            (name, call)
            for turn in range(3)
            for name, c in often.items()
            for call in c[turn : turn + 1]
        ]
        taken: Times = {name: [] for name in calls}
        for name, call in order[:: 1 if number % 2 else -1]:
            before[name]()
            taken[name].append(cpu_seconds(call))
        for name, values in taken.items():
            times[name].append(statistics.median(values))
        before = calls
    return times


def _calls(ways: Mapping[str, Way], one: Case, four: Case) -> dict[str, Callable[[], object]]:
    return {name: way(one) for name, way in ways.items()} | {"ours_four": ours(four)}


def _is_near(name: str) -> bool:
    return name.startswith("ours") or name.endswith("floor")


def cpu_seconds(call: Callable[[], object]) -> float:
    """CPU seconds of the process, all its threads, that `call` takes."""
    started = time.process_time()
    call()
    return time.process_time() - started


def figures(times: Mapping[str, Times]) -> dict[str, float]:
    """What `benchmarks/decode.py` explains."""

    def over(profile: str, one: str, other: str) -> float:
        pairs = zip(times[profile][one], times[profile][other], strict=True)
        return statistics.median(a / b for a, b in pairs)

    found = {
        f"{profile}_over_{name}": over(profile, "ours", name)
        for name in ("floor", "probed_floor")
        for profile in times
    }
    for name in ("torchcodec", "decord", "decode_all"):
        if name in times["copy"]:
            found[f"{name}_over_ours"] = min(over(p, name, "ours") for p in times)
    found["released_over_ours"] = over("copy", "released", "ours")
    released_then_ours = zip(times["copy"]["released"], times["stored"]["ours"], strict=True)
    found["released_over_ours_stored"] = statistics.median(a / b for a, b in released_then_ours)
    found["four_moments_over_one"] = max(over(p, "ours_four", "ours") for p in times)
    for profile, by_way in times.items():
        for name in ("ours", "floor"):
            found[f"{profile}_{name}_ms"] = statistics.median(by_way[name]) * 1e3
    return found


def versions(absent: Mapping[str, str]) -> dict[str, str]:
    """Of what took part."""
    found = {name: version(name) for name in PACKAGES if name not in absent}
    commit = ["git", "rev-parse", "HEAD"]
    told = subprocess.run(commit, cwd=HOME, capture_output=True, text=True, check=False)
    return {**found, "python": platform.python_version(), "commit": told.stdout.strip()}
