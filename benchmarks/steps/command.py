"""The benchmark: data, turns, fed steps, figures."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import shlex
import subprocess
import sys
import tempfile
from dataclasses import asdict, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from benchmarks.contest.data import make_root
from benchmarks.steps.fed import decoded_batches, feed_rounds, open_stream
from benchmarks.steps.figures import feed_figures, step_figures
from benchmarks.steps.size import SIZES, Size
from benchmarks.steps.turns import play, waits
from benchmarks.steps.ways import TRAINER, make_steps
from replai.core.errors import UserError, exits_cleanly
from replai.core.index import open_index
from replai.stream.worker import fork_server
from replai.training.feed import Feed
from tools.environment import HOME

PACKAGES = ("torch", "torchaudio", "webdataset", "av", "numpy")
PREFETCHED = 2
"""Batches that each worker has ready, by default."""


def benchmark(
    root: str, size: Size, device: torch.device, workers: int, per_visit: int
) -> dict[str, Any]:
    """Everything on the dataset `root`; what the JSON file holds."""
    index = open_index(root)
    batches, cpu_seconds = decoded_batches(
        open_stream(index, size, 0, per_visit), size.decoded_batches
    )
    print(f"decode takes {1000 * cpu_seconds:.1f} ms of CPU a moment", flush=True)
    (placed,) = Feed(device)(batches[:1])
    steps = make_steps(size, device)
    turns = play(steps, placed, size, device)
    waited_for = waits(steps[TRAINER], placed, device)
    skipped = workers * PREFETCHED + 2
    stream = open_stream(index, size, workers, per_visit)
    pinned = [one.pin_memory() for one in batches] if device.type == "cuda" else batches
    rounds = feed_rounds(stream, pinned, placed, steps[TRAINER], size, device, skipped)
    return {
        "figures": {
            **step_figures(turns, size.batch),
            **({"waits_a_step": len(waited_for)} if device.type == "cuda" else {}),
            **feed_figures(rounds, cpu_seconds, size.batch),
        },
        "raw": {
            "device": _device_name(device),
            "size": asdict(size),
            "workers": workers,
            "per_visit": per_visit,
            "turns": {name: [asdict(turn) for turn in rows] for name, rows in turns.items()},
            "waits": waited_for,
            "fed": [asdict(one) for one in rounds],
        },
        "command": shlex.join(["python", "benchmarks/train_step.py", *sys.argv[1:]]),
        "versions": versions(),
    }


def versions() -> dict[str, str]:
    """Of what took part, and of the machine."""
    commit = ["git", "rev-parse", "HEAD"]
    told = subprocess.run(commit, cwd=HOME, capture_output=True, text=True, check=False)
    return {
        **{name: version(name) for name in PACKAGES},
        "cuda": str(torch.version.cuda),
        "python": platform.python_version(),
        "cpu_cores": str(os.cpu_count()),
        "commit": told.stdout.strip(),
    }


def _device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"


def _device(name: str) -> torch.device:
    if name == "cuda" and not torch.cuda.is_available():
        raise UserError("torch finds no GPU here; --device cpu runs a smaller size")
    return torch.device(name)


@exits_cleanly
def main(arguments: list[str] | None = None) -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description="The trainer's step and what feeds it.")
    parser.add_argument("--json", type=Path, required=True, help="file to write")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--size", choices=SIZES, help="full on a GPU, else demo")
    parser.add_argument("--batch", type=int, help="moments in a batch")
    parser.add_argument("--rounds", type=int, help="turns of each way")
    parser.add_argument("--per-visit", type=int, default=1, help="moments of each segment read")
    cores = len(os.sched_getaffinity(0))
    parser.add_argument("--workers", type=int, default=max(1, cores - 2), help="decode processes")
    parser.add_argument("--data", help="a dataset root; without it one is made")
    given = parser.parse_args(arguments)
    device = _device(given.device)
    if device.type == "cpu":
        torch.set_num_threads(1)
    changes = {name: getattr(given, name) for name in ("batch", "rounds") if getattr(given, name)}
    size = replace(SIZES[given.size or ("full" if device.type == "cuda" else "demo")], **changes)
    fork_server()
    with contextlib.ExitStack() as stack:
        root = given.data
        if not root:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="steps-")))
            print(f"{size.videos} made-up videos of 52 s, packed", flush=True)
            make_root(folder, size.videos)
            root = str(folder / "ours")
        result = benchmark(root, size, device, given.workers, given.per_visit)
    given.json.parent.mkdir(parents=True, exist_ok=True)
    given.json.write_text(json.dumps(result, indent=1) + "\n")
    for name, value in result["figures"].items():
        print(f"{name:32} {value:10.3f}")
