"""Ranks that die or are told to stop under a real torchrun: what is saved, read again, and left."""

import json
import os
import re
import runpy
import signal
import socket
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from replai.checkpoint import load_checkpoint
from replai.core.config import config_yaml
from replai.core.errors import EXIT_INTERRUPTED, EXIT_LOST_PEER
from replai.core.index import open_index
from replai.stream.loader import StreamConfig
from replai.stream.plan import StreamState, training_places
from replai.stream.sampling import qualifying_items
from replai.stream.worker import fork_server
from replai.training.config import RunConfig
from replai.training.learner import Learner
from replai.training.metrics import METRICS_NAME, read_metrics
from replai.training.trainer import CHECKPOINT_NAME
from replai.views import reach
from tests.replai.training.jobs import LONGEST_SECONDS, REPOSITORY, Job, torchrun_job
from tests.replai.training.runs import tiny_run

# Each test starts torch several times over, on what may be a slow machine.
pytestmark = pytest.mark.timeout(280)

Sample = tuple[int, str]
"""(position in the epoch, key)."""
Row = tuple[int, list[Sample]]
"""(step, what one rank took for it)."""


def elastic_run(root: Path, out: Path, **changes: Any) -> RunConfig:
    """16 steps of 4 samples, a checkpoint after every second, one decode process a rank."""
    config = tiny_run(
        root, out, num_epochs=4, batch_size=4, checkpoint_every_steps=2, record_samples=True
    )
    data = replace(config.data, stream=StreamConfig(num_workers=1))
    return replace(config, data=data, **changes)


def planned(config: RunConfig) -> list[list[Sample]]:
    """The global batches of the whole run, from the pure plan alone."""
    index = open_index(config.data.root)
    views = Learner(config.encoders, config.objective, config.seed).objective.views
    items = qualifying_items(index, config.data.sampling, reach(views), True)
    state = StreamState(seed=config.seed, epoch=0, batch=0, dataset_hash="")
    keys = index.table["key"].to_pylist()
    mix = replace(items.mix, unit=config.data.stream.read_unit)
    places = training_places(
        state, mix=mix, global_batch=config.batch_size, num_epochs=config.num_epochs
    )
    samples = [(place.position, keys[items.rows[place.item]]) for place in places]
    return [
        samples[first : first + config.batch_size]
        for first in range(0, len(samples), config.batch_size)
    ]


def recorded(out: Path, rank: int) -> list[Row]:
    """What the rank took, of all its starts one after the other."""
    lines = (out / f"samples-rank{rank}.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    return [(r["step"], list(zip(r["positions"], r["keys"], strict=True))) for r in rows]


def assert_taken_once(
    before: list[list[Row]], after: list[list[Row]], checkpoint: int, plan: list[list[Sample]]
) -> None:
    """What all ranks took up to the checkpoint, and those started again after it: the plan."""
    for rows in before:
        steps = [step for step, _ in rows]
        assert steps == list(range(1, len(steps) + 1))
    for rows in after:
        assert [step for step, _ in rows] == list(range(checkpoint + 1, len(plan) + 1))
    for step, batch in enumerate(plan, 1):
        ranks = [dict(rows)[step] for rows in (before if step <= checkpoint else after)]
        assert [sample for samples in ranks for sample in samples] == batch


def resumed_step(output: str) -> int:
    """The checkpoint's step that the one restart speaks of."""
    (step,) = re.findall(r"continuing from .* at step (\d+)/", output)
    return int(step)


def assert_one_rank_went_on(config: RunConfig, job: Job) -> None:
    """`job` ended alone what two ranks had begun, and `assert_taken_once`."""
    checkpoint = resumed_step(job.output.read_text())
    assert checkpoint in range(4, 16, 2)
    plan = planned(config)
    num_after = len(plan) - checkpoint
    first, other = recorded(job.run, 0), recorded(job.run, 1)
    assert_taken_once([first[:-num_after], other], [first[-num_after:]], checkpoint, plan)


def test_torchrun_restarts_the_ranks_when_one_is_killed(small_root: Path, tmp_path: Path) -> None:
    config = elastic_run(small_root, tmp_path / "run")
    with torchrun_job(config, tmp_path / "job", "--nproc-per-node=2", "--max-restarts=1") as job:
        job.wait_for_step(5)
        job.kill_rank(0)
        assert job.exit_code() == 0, job.output.read_text()
        job.assert_nothing_is_left()
    checkpoint = resumed_step(job.output.read_text())
    assert checkpoint in range(4, 16, 2)
    plan = planned(config)
    num_after = len(plan) - checkpoint
    ranks = [recorded(job.run, rank) for rank in (0, 1)]
    before, after = [rows[:-num_after] for rows in ranks], [rows[-num_after:] for rows in ranks]
    assert_taken_once(before, after, checkpoint, plan)


def test_one_rank_goes_on_where_a_killed_one_of_two_stopped_the_job(
    small_root: Path, tmp_path: Path
) -> None:
    config = elastic_run(small_root, tmp_path / "run")
    with torchrun_job(config, tmp_path / "two", "--nproc-per-node=2", "--max-restarts=0") as two:
        two.wait_for_step(5)
        two.kill_rank(1)
        assert two.exit_code() != 0
        two.assert_nothing_is_left()
    with torchrun_job(config, tmp_path / "one", "--nproc-per-node=1") as one:
        assert one.exit_code() == 0, one.output.read_text()
    assert_one_rank_went_on(config, one)


def run_rank(rank: int, port: int, path: str) -> None:
    """`python train.py --config PATH` as one of two ranks, each of an agent of its own."""
    os.environ |= {"RANK": str(rank), "WORLD_SIZE": "2", "LOCAL_RANK": "0",
                   "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}  # fmt: skip
    with mock.patch.object(sys, "argv", ["train.py", "--config", path]):
        runpy.run_path(str(REPOSITORY / "train.py"), run_name="__main__")


def test_a_rank_that_stops_for_another_is_not_through(small_root: Path, tmp_path: Path) -> None:
    """Its agent would take exit code 0 for the run's end, and not go on without the other."""
    config = elastic_run(small_root, tmp_path / "run", num_epochs=2000)
    (tmp_path / "config.yaml").write_text(config_yaml(config))
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    ranks = [
        fork_server().Process(target=run_rank, args=(rank, port, f"{tmp_path}/config.yaml"))
        for rank in (0, 1)
    ]
    for process in ranks:
        process.start()
    deadline = time.monotonic() + LONGEST_SECONDS
    while not read_metrics(tmp_path / "run" / METRICS_NAME) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert ranks[1].pid is not None
    os.kill(ranks[1].pid, signal.SIGTERM)
    for process in ranks:
        process.join(LONGEST_SECONDS)
    assert [process.exitcode for process in ranks] == [EXIT_LOST_PEER, EXIT_INTERRUPTED]
    state = load_checkpoint(str(tmp_path / "run" / CHECKPOINT_NAME))
    assert state["step"] == recorded(tmp_path / "run", 0)[-1][0]


def test_a_job_that_is_told_to_stop_saves_first(small_root: Path, tmp_path: Path) -> None:
    """Between logged steps too: the batches up to the next one still come."""
    config = elastic_run(
        small_root, tmp_path / "run", num_epochs=2000, log_every_steps=5,
        checkpoint_every_steps=10_000,
    )  # fmt: skip
    with torchrun_job(config, tmp_path / "job", "--nproc-per-node=2") as job:
        job.wait_for_step(5)
        job.process.send_signal(signal.SIGTERM)
        job.exit_code()
        job.assert_nothing_is_left()
    assert job.output.read_text().count("interrupted") == 2
    state = load_checkpoint(str(job.run / CHECKPOINT_NAME))
    assert state["step"] == recorded(job.run, 0)[-1][0]
    assert state["step"] % 5 == 0
