"""AVID through the trainer: its memories over checkpoints, resumes and numbers of ranks."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from replai.checkpoint import load_checkpoint
from replai.core.config import config_yaml
from replai.core.errors import UserError
from replai.core.mixture import WeightedRoot
from replai.models import AudioEncoderConfig, EncodersConfig, VideoEncoderConfig
from replai.objectives import AVIDConfig, ObjectiveConfig
from replai.stream.sampling import At, SamplingConfig
from replai.training.config import RunConfig
from replai.training.metrics import METRICS_NAME, read_metrics
from replai.training.ranks import Ranks
from replai.training.trainer import CHECKPOINT_NAME, Trainer
from tests.replai.training.runs import tiny_run
from tests.replai.training.test_trainer import StoppedAfter

ALONE = Ranks(0, 1, torch.device("cpu"))
REPOSITORY = Path(__file__).parents[3]
GROUPS = EncodersConfig(
    video=VideoEncoderConfig(width=4, blocks=(1, 1, 1, 1), norm="group"),
    audio=AudioEncoderConfig(width=4, norm="group"),
)
STOP_AFTER = 5
MEMORIES = ("memories.video.vectors", "memories.audio.vectors", "log_partition")


def avid_run(root: Path, out: Path) -> RunConfig:
    """Joint AVID at two random times of each of two segments a batch, without BatchNorm."""
    avid = AVIDConfig(num_negatives=6, self_weight=1.0)
    objective = ObjectiveConfig(name="avid", hidden_dim=16, out_dim=8, avid=avid)
    config = tiny_run(root, out, batch_size=4, objective=objective, encoders=GROUPS, num_epochs=1)
    sampling = SamplingConfig(at=At.random, per_visit=2)
    return replace(config, data=replace(config.data, sampling=sampling))


def losses(out: Path) -> list[tuple[float, ...]]:
    rows = read_metrics(out / METRICS_NAME)
    return [tuple(row[name] for name in ("step", "avid_cross", "avid_self")) for row in rows]


def stop_early(config: RunConfig) -> None:
    trainer = StoppedAfter(config, ALONE)
    trainer.stop_after = STOP_AFTER
    with pytest.raises(KeyboardInterrupt):
        trainer.train()


@pytest.fixture(scope="module")
def whole(small_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run in one process and in one go."""
    out = tmp_path_factory.mktemp("avid") / "whole"
    config = avid_run(small_root, out)
    Trainer(config, ALONE).train()
    return out


def test_a_stopped_run_continues_bit_for_bit(small_root: Path, whole: Path, tmp_path: Path) -> None:
    config = avid_run(small_root, tmp_path / "parts")
    stop_early(config)
    Trainer(config, ALONE).train()
    assert losses(tmp_path / "parts") == losses(whole)
    mine, theirs = (
        load_checkpoint(str(out / CHECKPOINT_NAME))["objective"]
        for out in (tmp_path / "parts", whole)
    )
    assert set(MEMORIES) <= set(mine)
    assert all(value.equal(theirs[key]) for key, value in mine.items())


def test_two_ranks_go_on_as_one_would_have(small_root: Path, whole: Path, tmp_path: Path) -> None:
    """Begun by one process, ended by two under torchrun; memories and losses are one's own."""
    config = avid_run(small_root, tmp_path / "two")
    stop_early(config)
    (tmp_path / "config.yaml").write_text(config_yaml(config))
    done = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2",
         "train.py", "--config", str(tmp_path / "config.yaml")],
        cwd=REPOSITORY, capture_output=True, text=True, check=False, timeout=200,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert f"at step {STOP_AFTER}/" in done.stdout
    mine, theirs = losses(tmp_path / "two"), losses(whole)
    assert len(mine) >= STOP_AFTER + 3
    np.testing.assert_allclose(mine, theirs, rtol=1e-4)
    one, two = (
        load_checkpoint(str(out / CHECKPOINT_NAME))["objective"]
        for out in (whole, tmp_path / "two")
    )
    for key in MEMORIES:
        torch.testing.assert_close(two[key], one[key], rtol=1e-3, atol=1e-5)


def test_another_dataset_is_named_before_memories_are_looked_at(
    small_root: Path, tmp_path: Path
) -> None:
    config = avid_run(small_root, tmp_path / "run")
    Trainer(config, ALONE).save()
    more = [WeightedRoot(root=str(small_root)), WeightedRoot(root=f"{small_root}/../root")]
    config = replace(config, data=replace(config.data, root="", mix=more))
    with pytest.raises(UserError, match="trained on another dataset"):
        Trainer(config, ALONE)


def test_held_out_videos_are_told_by_retrieval_alone(small_root: Path, tmp_path: Path) -> None:
    config = avid_run(small_root, tmp_path)
    config = replace(config, data=replace(config.data, validation_root=str(small_root)))
    trainer = Trainer(config, ALONE)
    before = trainer.learner.state_dict()["objective.memories.video.vectors"].clone()
    values = trainer.validate()
    assert set(values) == {"held_out/audio_to_video_recall_at_1"}
    assert trainer.learner.state_dict()["objective.memories.video.vectors"].equal(before)
