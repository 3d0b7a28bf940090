"""The parts in turn, then the file."""

from __future__ import annotations

import argparse
import json
import os
import platform
import shlex
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks.clips.sources import LARGE_SOURCES
from benchmarks.sharding.copying import copied, copied_figures, cpu_beside_cp, cpu_figures
from benchmarks.sharding.long_files import long_files
from benchmarks.sharding.memory import peak_figures, peaks
from benchmarks.sharding.transcoding import (
    bare_figures,
    beside_bare,
    large_figures,
    packed,
    speedup,
    speedup_figures,
)
from tools.environment import HOME

PARTS = ("copy", "copy-cpu", "transcode", "transcode-1080p", "speedup", "memory")
COPIED_SECONDS, TRANSCODED_SECONDS, SPEEDUP_SECONDS, LONG_SECONDS = 1120, 28, 112, 7200
LARGE_SECONDS = 1200
VIDEOS = 3


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description="What packing costs.")
    parser.add_argument("--json", type=Path, required=True, help="file to write")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--engines", nargs="+", choices=("local", "ray"), help="of the speedups")
    parser.add_argument("--data", type=Path, help="folder to keep the made-up videos in")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        result = measured(arguments, arguments.data or Path(scratch) / "data", Path(scratch))
    before = json.loads(arguments.json.read_text()) if arguments.json.exists() else None
    if before and set(arguments.only) < set(PARTS):
        result = joined(before, result)
    arguments.json.write_text(json.dumps(result, indent=1) + "\n")
    for name, value in result["figures"].items():
        print(f"{name:28} {value:10.4g}")


def joined(before: dict[str, Any], now: dict[str, Any]) -> dict[str, Any]:
    """What a file holds after a run of some parts: the other parts stay, and say where from."""
    kept = sorted(set(before["figures"]) - set(now["figures"]))
    earlier, source = before.get("earlier", {}), [before["command"], before["versions"]["commit"]]
    return {
        **now,
        "figures": {**before["figures"], **now["figures"]},
        "raw": {**before["raw"], **now["raw"]},
        "earlier": {name: earlier.get(name, source) for name in kept},
    }


def measured(arguments: argparse.Namespace, data: Path, scratch: Path) -> dict[str, Any]:
    """What the JSON file holds."""
    figures: dict[str, float] = {}
    raw: dict[str, object] = {"cpu_cores": os.cpu_count()}
    if "copy" in arguments.only:
        files = long_files(data, data / "copied", COPIED_SECONDS, VIDEOS)
        found = copied(files, COPIED_SECONDS, scratch, arguments.rounds)
        figures |= copied_figures(found)
        raw["copy"] = found
    if "copy-cpu" in arguments.only:
        files = long_files(data, data / "speedup", SPEEDUP_SECONDS, VIDEOS)
        times = cpu_beside_cp(files, scratch, arguments.rounds)
        figures |= cpu_figures(times, VIDEOS * SPEEDUP_SECONDS)
        raw["copy: CPU seconds"] = times
    if "transcode" in arguments.only:
        files = long_files(data, data / "transcoded", TRANSCODED_SECONDS, VIDEOS)
        times = beside_bare(files, scratch, arguments.rounds)
        figures |= bare_figures(times, VIDEOS * TRANSCODED_SECONDS)
        raw["transcode: CPU seconds"] = times
    if "transcode-1080p" in arguments.only:
        files = long_files(data, data / "large", TRANSCODED_SECONDS, 1, LARGE_SOURCES)
        seconds = packed(files, scratch, arguments.rounds)
        figures |= large_figures(seconds, TRANSCODED_SECONDS)
        raw["transcode-1080p: CPU seconds"] = seconds
    if "speedup" in arguments.only:
        files = long_files(data, data / "speedup", SPEEDUP_SECONDS, VIDEOS)
        times = speedup(
            files, SPEEDUP_SECONDS, scratch, arguments.rounds, arguments.engines or engines()
        )
        figures |= speedup_figures(times)
        raw["speedup: wall seconds"] = times
    if "memory" in arguments.only:
        (long,) = long_files(data, data / "long", LONG_SECONDS, 1)
        (large,) = long_files(data, data / "long-large", LARGE_SECONDS, 1, LARGE_SOURCES)
        found_peaks = peaks(long, large, scratch)
        figures |= peak_figures(found_peaks)
        raw["memory: MB at the peak"] = found_peaks
    return {
        "figures": figures,
        "raw": raw,
        "command": shlex.join(["python", "benchmarks/shard.py", *sys.argv[1:]]),
        "versions": versions(),
    }


def engines() -> list[str]:
    """Local processes, and Ray where it is."""
    command = [sys.executable, "-m", "sharder.cli", "pack", "--help"]
    environment = {**os.environ, "PYTHONPATH": str(HOME), "COLUMNS": "200"}
    told = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    try:
        version("ray")
    except ModuleNotFoundError:
        print("skipped: ray_speedup_2, Ray is not installed", file=sys.stderr)
        return ["local"]
    if "--engine" not in told.stdout:
        print("skipped: ray_speedup_2, sharder pack has no --engine", file=sys.stderr)
        return ["local"]
    return ["local", "ray"]


def versions() -> dict[str, str]:
    """Of what took part."""
    commit = ["git", "rev-parse", "HEAD"]
    told = subprocess.run(commit, cwd=HOME, capture_output=True, text=True, check=False)
    return {
        **{name: version(name) for name in ("av", "numpy", "pyarrow")},
        "python": platform.python_version(),
        "commit": told.stdout.strip(),
    }
