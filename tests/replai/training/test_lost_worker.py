"""A decode process that the system kills: one line, every step saved that can be, and no hang."""

from dataclasses import replace
from pathlib import Path

import pytest

from replai.checkpoint import load_checkpoint
from replai.core.errors import EXIT_LOST_PEER
from replai.stream.loader import StreamConfig
from replai.training.config import RunConfig
from replai.training.trainer import CHECKPOINT_NAME
from tests.replai.training.jobs import torchrun_job, train_job
from tests.replai.training.runs import tiny_run

pytestmark = pytest.mark.timeout(200)

LINE = (
    "stopped: a decode process of rank {} is gone, killed perhaps as memory ran out; lower stream."
)


def long_run(root: Path, out: Path, **changes: object) -> RunConfig:
    config = tiny_run(root, out, num_epochs=2000, batch_size=4, **changes)
    return replace(config, data=replace(config.data, stream=StreamConfig(num_workers=2)))


def test_the_run_saves_its_steps_and_ends(small_root: Path, tmp_path: Path) -> None:
    config = long_run(small_root, tmp_path / "run", record_samples=True)
    with train_job(config, tmp_path / "job") as job:
        job.wait_for_step(3)
        job.kill_decode_process(0)
        assert job.exit_code() == EXIT_LOST_PEER, job.output.read_text()
        job.assert_nothing_is_left()
    (told,) = [x for x in job.output.read_text().splitlines() if not x.startswith("step ")]
    assert told.startswith(LINE.format(0))
    steps = (job.run / "samples-rank0.jsonl").read_text().count("\n")
    assert load_checkpoint(str(job.run / CHECKPOINT_NAME))["step"] == steps >= 3


def test_the_other_rank_ends_too(small_root: Path, tmp_path: Path) -> None:
    config = long_run(small_root, tmp_path / "run", checkpoint_every_steps=2)
    with torchrun_job(config, tmp_path / "job", "--nproc-per-node=2") as job:
        job.wait_for_step(3)
        job.kill_decode_process(1)
        assert job.exit_code() != 0
        job.assert_nothing_is_left()
    output = job.output.read_text()
    assert output.count(LINE.format(1)) == 1
    assert "DataLoader worker" not in output
    assert load_checkpoint(str(job.run / CHECKPOINT_NAME))["step"] >= 2
