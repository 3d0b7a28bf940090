"""Does a hedged second request pay? PYTHONPATH=. python benchmarks/hedge.py --json FILE

One worker's reads from a SeaweedFS of this machine, through a proxy that answers one read in fifty
late. The worker takes 24 ms for each sample (a moment's decode), as a real one does, so what counts
is how long it waits for bytes although it reads ahead.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
import tempfile
import time
from pathlib import Path

import fsspec
import numpy as np
import s3fs

from replai.core.index import DatasetIndex, open_index
from replai.stream.fetch import Fetched, fetch
from replai.stream.figures import Meter
from replai.stream.order import one_dataset
from replai.stream.plan import Place
from replai.stream.reader import RangeReader
from replai.stream.retry import RetryConfig
from replai.stream.sampling import Items
from tests.faults import FaultyProxy, running_proxy
from tests.worlds import make_small_data
from tools.seaweed import running_s3

DECODE_SECONDS = 0.024
NUM_READS, ROUNDS, LATE_EVERY = 200, 3, 50
LATE_SECONDS = (1.0, 4.0)
HEDGE_SECONDS = (0.0, 0.25)
BUDGETS = {"32 MB ahead": 32_000_000, "one sample ahead": 1}


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, required=True, help="file to write")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, running_s3() as server:
        os.environ.update(server.environment)
        bucket = server.make_bucket("hedge")
        root = make_small_data(Path(folder)).root
        fsspec.filesystem("s3").put(f"{root}/", f"{bucket}/data/", recursive=True)
        with running_proxy(server.endpoint) as proxy:
            os.environ["AWS_ENDPOINT_URL"] = proxy.endpoint
            s3fs.S3FileSystem.clear_instance_cache()
            raw = measured(open_index(f"{bucket}/data"), proxy)
    figures = {
        f"{name}_{what}": statistics.median(round_[what] for round_ in rounds)
        for name, rounds in raw.items()
        for what in ("wait_share", "requests_a_sample")
    }
    result = {
        "figures": figures,
        "raw": raw,
        "command": " ".join(["python", *sys.argv]),
        "versions": {"python": platform.python_version()},
    }
    arguments.json.write_text(json.dumps(result, indent=1) + "\n")
    for name, value in figures.items():
        print(f"{name:60} {value:.3f}")


def measured(index: DatasetIndex, proxy: FaultyProxy) -> dict[str, list[dict[str, float]]]:
    """Wait share and requests of every setting, a row a round."""
    raw: dict[str, list[dict[str, float]]] = {}
    for _ in range(ROUNDS):
        for late in LATE_SECONDS:
            for hedge in HEDGE_SECONDS:
                for ahead, budget in BUDGETS.items():
                    proxy.late_seconds = late
                    proxy.start_over(lambda read: "late" if read.number % LATE_EVERY == 7 else None)
                    name = f"late {late:g} s, hedge {hedge:g} s, {ahead}"
                    print("…", name, file=sys.stderr, flush=True)
                    raw.setdefault(name, []).append(one_worker(index, hedge, budget))
    return raw


def one_worker(index: DatasetIndex, hedge_seconds: float, budget_bytes: int) -> dict[str, float]:
    """What one worker sees that reads and 'decodes' `NUM_READS` samples."""
    reader = RangeReader(index, RetryConfig(hedge_seconds=hedge_seconds))
    rows = np.arange(NUM_READS) % index.header.num_samples
    items = Items(rows, np.zeros(NUM_READS, np.int64), one_dataset(NUM_READS))
    places = (Place(0, n, 0, n, n) for n in range(NUM_READS))
    meter, started = Meter(), time.perf_counter()
    for sample in fetch(places, reader, items, budget_bytes, meter):
        assert isinstance(sample, Fetched)
        time.sleep(DECODE_SECONDS)
    elapsed, figures = time.perf_counter() - started, meter.take()
    return {
        "wait_share": figures.fetch_wait_seconds / elapsed,
        "requests_a_sample": figures.requests / NUM_READS,
        "read_seconds_p99": figures.read_percentile(99),
    }


if __name__ == "__main__":
    main()
