"""One process of the contest: python -m benchmarks.contest.run JOB STARTED OUTCOME

JOB is the job's JSON, STARTED the monotonic clock when the process was started, OUTCOME the file
to write.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
from dataclasses import asdict
from pathlib import Path

from benchmarks.contest.job import Contestant, Epoch, Job, Outcome
from benchmarks.contest.measure import descendants_pss_megabytes, tree_cpu_seconds
from replai.stream.worker import fork_server


class Stopwatch:
    """Wall and CPU seconds of this process and its descendants, between `lap`s."""

    def __init__(self) -> None:
        self.lap()

    def lap(self) -> tuple[float, float]:
        """(wall, CPU) seconds since the last lap, or since the process started."""
        now = (time.monotonic(), tree_cpu_seconds(os.getpid()))
        last = getattr(self, "_last", now)
        self._last = now
        return now[0] - last[0], now[1] - last[1]


def run(job: Job, started: float) -> Outcome:
    """Does `job`."""
    if job.contestant == "ours":
        fork_server()  # as train.py does before its imports
    module = importlib.import_module(f"benchmarks.contest.{job.contestant}")
    imported = time.monotonic()
    contestant: Contestant = module.open_contestant(job)
    watch, epochs, batches = Stopwatch(), [], 0
    first_batch = first_cpu = 0.0
    for number in range(job.num_epochs):
        counted = 0
        for moments in contestant.epoch():
            batches += 1
            counted += moments
            if batches == 1:
                first_batch, first_cpu = time.monotonic(), tree_cpu_seconds(os.getpid())
            if number == 0 and batches <= job.num_workers:
                watch.lap()
                counted = 0
            if batches == job.stop_after_batches:
                break
        wall, cpu = watch.lap()
        memory = descendants_pss_megabytes(os.getpid())
        epochs.append(
            Epoch(
                moments=counted,
                wall_seconds=wall,
                cpu_seconds=cpu,
                worker_megabytes={str(pid): size for pid, size in memory.items()},
            )
        )
        if batches == job.stop_after_batches:
            break
    return Outcome(
        import_seconds=imported - started,
        first_batch_seconds=first_batch - started,
        first_batch_cpu_seconds=first_cpu,
        epochs=epochs,
        state=contestant.state() if job.stop_after_batches else {},
    )


def main() -> None:
    """Entry point."""
    job, started, path = sys.argv[1:]
    outcome = run(Job.from_json(job), float(started))
    Path(path).write_text(json.dumps(asdict(outcome)))
    sys.stdout.flush()
    os._exit(0)  # loaders differ in how long they take to stop; nothing here asks that


if __name__ == "__main__":
    main()
