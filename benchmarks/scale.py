"""The stream at Ego4D's size, simulated: python benchmarks/scale.py --json FILE

An index of 1.3 million samples in 5,000 shards (3,670 h in segments of 10 s) is made up and
written; then it is opened, planned for 512 ranks of 8 workers, checked and weighed in processes
of their own, as in a run. No video is read. Requests, money and cores are computed from the
figures given below; nothing about S3 is measured here.
"""

from __future__ import annotations

import argparse
import json
import pickle
import platform
import random
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch

from replai.core.index import (
    HEADER_NAME,
    INDEX_NAME,
    SCHEMA,
    Header,
    dataset_hash,
    encode_table,
    open_index,
)
from replai.core.record import SCHEMA_VERSION
from replai.stream.crops import CropConfig
from replai.stream.loader import AVStream, Share, StreamConfig
from replai.stream.order import order
from replai.stream.pipeline import PlanSource
from replai.stream.plan import StreamState, training_places
from replai.stream.reader import RangeReader
from replai.stream.sampling import SamplingConfig
from replai.views import AudioView, VideoView

HOURS, NUM_SAMPLES, NUM_SHARDS = 3670, 1_300_000, 5_000
WORLD_SIZE, NUM_WORKERS, BATCH = 512, 8, 4096
WORKERS_A_NODE = 64

GETS_PER_SECOND_A_PREFIX = 5_500
"""S3's documented rate of GET requests that one prefix supports at least."""
DOLLARS_PER_1000_GETS = 0.0004
"""List price of S3 Standard in us-east-1; reading from within the region moves bytes for free."""
MOMENTS_PER_SECOND_A_GPU = (100, 300, 1000)
"""Assumed appetites of a GPU; no GPU was measured."""
GPUS = (8, 64, 512)
READ_UNIT = StreamConfig().read_unit
DECODE = Path(__file__).parent / "results" / "decode.json"

VIEWS = (
    VideoView(name="before", start_seconds=-0.6, duration_seconds=0.5, num_frames=8),
    VideoView(name="after", start_seconds=0.1, duration_seconds=0.5, num_frames=8),
    AudioView(name="audio", start_seconds=-1.0, duration_seconds=2.0),
)


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, required=True, help="file to write")
    parser.add_argument("--samples", type=int, default=NUM_SAMPLES)
    parser.add_argument("--decode", type=Path, default=DECODE, help="what decode.py has written")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        _say("writing an index of", arguments.samples, "samples")
        write_index(root, arguments.samples)
        figures = {
            **_in_own_process(measured_opening, root),
            **measured_worker(root),
            **_in_own_process(checked_plan, root),
        }
    decode = json.loads(arguments.decode.read_text())["figures"]
    figures.update(demand(arguments.samples, decode))
    result = {
        "figures": figures,
        "raw": {"assumed": {"gpus": GPUS}, "decode": decode},
        "command": " ".join(["python", *sys.argv]),
        "versions": {"python": platform.python_version(), "torch": torch.__version__},
    }
    arguments.json.write_text(json.dumps(result, indent=1) + "\n")
    for name, value in figures.items():
        print(f"{name:56} {value:.4g}")


def write_index(root: Path, num_samples: int) -> None:
    """A finished dataset root without shards: sizes and counts as of transcoded segments."""
    draw = np.random.Generator(np.random.PCG64(0))
    numbers = np.arange(num_samples)
    sizes = draw.integers(200, 1200, num_samples) * 512
    shards = numbers * NUM_SHARDS // num_samples
    before = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    offsets = before - before[np.searchsorted(shards, shards)]
    columns = {
        "shard": shards, "offset": offsets, "size": sizes,
        "crc32": draw.integers(0, 2**32, num_samples),
        "key": [f"{n // 60:08x}-0000-4000-8000-{n // 60:012d}_{n % 60:05d}" for n in numbers],
        "video_id": [f"{n // 60:08x}-0000-4000-8000-{n // 60:012d}" for n in numbers],
        "start_seconds": numbers % 60 * 10.0, "duration_seconds": np.full(num_samples, 12.2),
        "num_moments": draw.poisson(3.0, num_samples) + 1,
        "num_actions": np.zeros(num_samples), "has_audio": np.ones(num_samples, bool),
    }  # fmt: skip
    arrays = [pa.array(columns[field.name]).cast(field.type) for field in SCHEMA]
    table = pa.Table.from_arrays(arrays, schema=SCHEMA)
    header = Header(
        schema_version=SCHEMA_VERSION, profile="simulated", margin_seconds=1.1,
        num_samples=num_samples, num_moments=0, num_actions=0,
        dataset_hash=dataset_hash(table), verbs={}, nouns={},
    )  # fmt: skip
    shardlist = [
        {"url": f"shards/train-{n:06d}.tar", "nsamples": 260, "filesize": 1}
        for n in range(NUM_SHARDS)
    ]
    (root / INDEX_NAME).write_bytes(encode_table(table))
    fields = {"wids_version": 1, "shardlist": shardlist, "replai": header.to_fields()}
    (root / HEADER_NAME).write_text(json.dumps(fields))


def make_stream(root: Path, rank: int = 0) -> AVStream:
    """One rank's stream of the run that is simulated."""
    return AVStream(
        open_index(str(root)), VIEWS, sampling=SamplingConfig(), crop=CropConfig(),
        batch_size=BATCH, num_epochs=100, share=Share(rank=rank, world_size=WORLD_SIZE),
    )  # fmt: skip


def measured_opening(root: Path) -> dict[str, float]:
    """What a trainer's process pays before its first batch."""
    memory, started = _megabytes(), time.perf_counter()
    stream = make_stream(root)
    opened = time.perf_counter()
    payload = pickle.dumps(stream._task)
    return {
        "open_seconds": opened - started,
        "index_file_megabytes": (root / INDEX_NAME).stat().st_size / 1e6,
        "trainer_megabytes": _megabytes() - memory,
        "batches_per_epoch": stream.batches_per_epoch,
        "task_sent_to_each_worker_megabytes": len(payload) / 1e6,
    }


def measured_worker(root: Path) -> dict[str, float]:
    """What a worker pays, which is sent its task and starts to plan."""
    task, stream = root / "task.pickle", make_stream(root)
    task.write_bytes(pickle.dumps(stream._task))
    figures = _in_own_process(_worker, task)
    megabytes = figures["worker_megabytes"]
    return {**figures, "node_of_64_workers_gigabytes": WORKERS_A_NODE * megabytes / 1000}


def _worker(path: Path) -> dict[str, float]:
    memory, started = _megabytes(), time.perf_counter()
    with path.open("rb") as file:
        task = pickle.load(file)
    arrived = time.perf_counter()
    places = iter(PlanSource(task))
    next(places)
    reader = RangeReader(task.index, task.retry)
    planned = time.perf_counter()
    assert reader.stored.size(0) > 0
    return {
        "worker_task_arrives_seconds": arrived - started,
        "worker_first_place_seconds": planned - arrived,
        "worker_megabytes": _megabytes() - memory,
    }


def checked_plan(root: Path) -> dict[str, float]:
    """Plans some batches for every one of the ranks' workers, and looks that nothing is missing."""
    stream = make_stream(root)
    started = time.perf_counter()
    whole = order(0, 1, stream.mix)
    seconds = time.perf_counter() - started
    assert np.array_equal(np.sort(whole), np.arange(len(whole))), "an item is lost or repeated"
    checked = 0
    draw = random.Random(0)
    for rank in sorted(draw.sample(range(WORLD_SIZE), 4)):
        checked += _check_rank(
            stream, rank, whole, first=draw.randrange(stream.batches_per_epoch - 9)
        )
    return {"order_seconds": seconds, "batches_checked": checked}


def _check_rank(stream: AVStream, rank: int, whole: Any, first: int) -> int:
    """The next batch of each worker of `rank` from batch `first` on is its part of the order."""
    local = BATCH // WORLD_SIZE
    state = StreamState(seed=0, epoch=1, batch=first, dataset_hash="")
    for worker in range(NUM_WORKERS):
        places = training_places(
            state, mix=stream.mix, global_batch=BATCH, num_epochs=2, rank=rank,
            world_size=WORLD_SIZE, worker=worker, num_workers=NUM_WORKERS,
        )  # fmt: skip
        items = [next(places).item for _ in range(local)]
        start = (first + worker) * BATCH + rank * local
        assert items == whole[start : start + local].tolist(), f"rank {rank}, worker {worker}"
    return NUM_WORKERS


@dataclass(frozen=True)
class Demand:
    """What a number of GPUs asks of the store and of the CPUs."""

    gets_per_second: float
    prefixes: int
    cores_a_gpu: float


def demand_of(
    num_gpus: int,
    moments_per_second: float,
    decode_ms: float,
    *,
    read_unit: int = READ_UNIT,
    per_visit: int = 1,
) -> Demand:
    """GETs a second, prefixes they need, and decode cores a GPU."""
    gets = num_gpus * moments_per_second / per_visit / read_unit
    prefixes = int(np.ceil(gets / GETS_PER_SECOND_A_PREFIX))
    return Demand(gets, prefixes, moments_per_second * decode_ms / 1000)


def demand(num_samples: int, decode: Mapping[str, float]) -> dict[str, float]:
    """The same for all `GPUS` and appetites, and what an epoch takes: the money of its requests,
    core-hours of decoding. `decode`: the figures of `decode.py`.
    """
    ms, four_over_one = decode["stored_ours_ms"], decode["four_moments_over_one"]
    gets = {"": num_samples / READ_UNIT, "_of_single_samples": num_samples}
    figures: dict[str, float] = {
        **{f"gets_an_epoch{how}": number for how, number in gets.items()},
        **{
            f"dollars_an_epoch{how}": number / 1000 * DOLLARS_PER_1000_GETS
            for how, number in gets.items()
        },
        **{
            f"decode_core_hours_an_epoch_{profile}": num_samples
            * decode[f"{profile}_ours_ms"]
            / 3.6e6
            for profile in ("stored", "copy")
        },
    }
    for appetite in MOMENTS_PER_SECOND_A_GPU:
        four = demand_of(1, appetite, ms * four_over_one / 4, per_visit=4)
        for num_gpus in GPUS:
            one = demand_of(num_gpus, appetite, ms)
            name = f"{num_gpus}_gpus_at_{appetite}_moments"
            figures[f"{name}_gets_per_second"] = one.gets_per_second
            figures[f"{name}_prefixes"] = one.prefixes
            for how, other in (
                ("of_single_samples", demand_of(num_gpus, appetite, ms, read_unit=1)),
                ("at_4_a_visit", demand_of(num_gpus, appetite, ms, per_visit=4)),
            ):
                figures[f"{name}_prefixes_{how}"] = other.prefixes
        figures[f"decode_cores_a_gpu_at_{appetite}_moments"] = one.cores_a_gpu
        figures[f"decode_cores_a_gpu_at_{appetite}_moments_4_a_visit"] = four.cores_a_gpu
    return figures


def _in_own_process(function: Callable[[Any], dict[str, float]], argument: Any) -> dict[str, float]:
    """`function(argument)` in a new process: memory and caches start from nothing."""
    _say(function.__name__.strip("_").replace("_", " "))
    with get_context("spawn").Pool(1) as pool:
        return pool.apply(function, (argument,))


def _megabytes() -> float:
    """Memory that is this process's alone: what one more process costs a node."""
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Private_")) / 1000


def _say(*words: object) -> None:
    print("…", *words, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
