"""Does a decode process grow? PYTHONPATH=. python benchmarks/memory.py --json FILE

Streams a small made-up dataset from local disk with RepLAI's views, and looks at the resident
memory of each worker at the end of every epoch. The first epoch warms allocators and caches up;
what is added after it, if every epoch adds it, fills the machine in a run of a hundred epochs.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import platform
import re
import sys
import tempfile
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

from replai.core.index import DatasetIndex, open_index
from replai.stream.__main__ import REPLAI_VIEWS
from replai.stream.crops import CropConfig
from replai.stream.loader import AVStream, StreamConfig
from replai.stream.sampling import SamplingConfig
from tests.worlds import SETTINGS, make_small_data

GOAL_MB = 20.0
WORKERS, BATCH_SIZE = 2, 4
AHEAD = 2 * WORKERS
"""Batches before an epoch's end at which is looked: after the last epoch's, workers have ended."""
Resident = dict[int, float]
"""Process id → resident megabytes."""


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, required=True, help="file to write")
    parser.add_argument("--epochs", type=int, default=3, help="epochs to stream")
    parser.add_argument("--videos", type=int, default=12, help="videos of 24 s to make")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        world = replace(SETTINGS, num_train_videos=arguments.videos)
        index = open_index(str(make_small_data(Path(folder), world).root))
        epochs, num_samples = streamed(index, arguments.epochs)
    growth = {pid: epochs[-1][pid] - epochs[0][pid] for pid in epochs[0]}
    figures = {
        "worker_memory_growth_mb": max(growth.values()),
        "worker_memory_mb": max(epochs[-1].values()),
        "growth_goal_mb": GOAL_MB,
        "samples_after_first_epoch": num_samples * (arguments.epochs - 1) / arguments.epochs,
    }
    result = {
        "figures": figures,
        "raw": [sorted(epoch.values()) for epoch in epochs],
        "command": " ".join(["python", *sys.argv]),
        "versions": {
            "python": platform.python_version(),
            **{name: version(name) for name in ("av", "torch", "webdataset")},
        },
    }
    arguments.json.write_text(json.dumps(result, indent=1) + "\n")
    for name, value in figures.items():
        print(f"{name:30} {value:.1f}")


def streamed(index: DatasetIndex, num_epochs: int) -> tuple[list[Resident], int]:
    """(what each worker held near the end of each epoch, samples streamed)."""
    stream = AVStream(
        index,
        REPLAI_VIEWS,
        sampling=SamplingConfig(),
        crop=CropConfig(),
        batch_size=BATCH_SIZE,
        num_epochs=num_epochs,
        config=StreamConfig(num_workers=WORKERS, prefetch_batches=1),
    )
    epochs: list[Resident] = []
    num_samples = 0
    for batch in stream:
        num_samples += len(batch)
        if batch.batch == stream.batches_per_epoch - 1 - AHEAD:
            epochs.append({pid: resident_mb(pid) for pid in worker_ids()})
    return epochs, num_samples


def worker_ids() -> list[int]:
    """Process ids of the decode processes."""
    return [worker.pid for worker in multiprocessing.active_children() if worker.pid]


def resident_mb(pid: int) -> float:
    """Resident memory of a process in MB (10^6 bytes)."""
    status = Path(f"/proc/{pid}/status").read_text()
    (kibibytes,) = re.findall(r"VmRSS:\s+(\d+) kB", status)
    return int(kibibytes) * 1024 / 1e6


if __name__ == "__main__":
    main()
