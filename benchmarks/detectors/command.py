"""Quality, then speed, then the file."""

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

from tools.environment import HOME, python_beside_ours

REQUIREMENTS = HOME / "benchmarks" / "detect-peers.txt"
IN_PEERS_PYTHON = "REPLAI_DETECT_PEERS"
PACKAGES = ("av", "numpy", "scipy", "librosa")


def main() -> None:
    """Entry point: starts itself again in the environment that has librosa."""
    parser = argparse.ArgumentParser(description="Moments beside their truth and their peers.")
    parser.add_argument("--json", type=Path, required=True, help="file to write")
    parser.add_argument("--seeds", type=int, default=10, help="sounds for each SNR")
    parser.add_argument("--first-seed", type=int, default=0, help="100 and up: those chosen on")
    parser.add_argument("--rounds", type=int, default=7, help="of the timings")
    parser.add_argument("--data", type=Path, help="folder to keep the made-up videos in")
    arguments = parser.parse_args()
    if IN_PEERS_PYTHON not in os.environ:
        environment = {**os.environ, IN_PEERS_PYTHON: "1"}
        command = [
            str(python_beside_ours(HOME / f".venv-{REQUIREMENTS.stem}", REQUIREMENTS)),
            *sys.argv,
        ]
        raise SystemExit(subprocess.run(command, env=environment, check=False).returncode)
    with tempfile.TemporaryDirectory() as scratch:
        result = measured(arguments, arguments.data or Path(scratch))
    arguments.json.write_text(json.dumps(result, indent=1) + "\n")


def measured(arguments: argparse.Namespace, folder: Path) -> dict[str, object]:
    """All of it; what the JSON file holds."""
    from benchmarks.detectors import quality, speed
    from benchmarks.detectors.sounds import sounds
    from benchmarks.detectors.ways import WAYS

    times = speed.timed(speed.make_videos(folder), arguments.rounds)
    seeds = range(arguments.first_seed, arguments.first_seed + arguments.seeds)
    rows = quality.heard_by_all(sounds(seeds), WAYS)
    figures = {**speed.figures(times), **quality.figures(rows)}
    for name, value in figures.items():
        print(f"{name:32} {value:8.3f}")
    return {
        "figures": figures,
        "raw": {
            "cpu_seconds": times,
            "figure, seed, true, found, pairs": [", ".join(map(str, row)) for row in rows],
        },
        "command": shlex.join(["python", "benchmarks/detect.py", *sys.argv[1:]]),
        "versions": versions(),
    }


def versions() -> dict[str, str]:
    """Of what took part."""
    commit = ["git", "rev-parse", "HEAD"]
    told = subprocess.run(commit, cwd=HOME, capture_output=True, text=True, check=False)
    return {
        **{name: version(name) for name in PACKAGES},
        "python": platform.python_version(),
        "commit": told.stdout.strip(),
    }
