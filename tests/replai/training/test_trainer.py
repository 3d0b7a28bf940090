"""The trainer on a small packed world: resume, refusals, signals, several ranks."""

import errno
import os
import runpy
import shutil
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from replai.checkpoint import load_checkpoint
from replai.core.config import config_yaml
from replai.core.errors import UserError
from replai.core.mixture import WeightedRoot
from replai.models import AudioEncoderConfig, EncodersConfig, VideoEncoderConfig
from replai.models.jitter import JitterConfig
from replai.objectives import ObjectiveConfig
from replai.stream.loader import StreamConfig
from replai.stream.quarantine import BadSampleConfig
from replai.training.claim import claimed
from replai.training.compute import ComputeConfig
from replai.training.config import DataConfig, RunConfig
from replai.training.feed import Feed, Placed, jittered_views
from replai.training.initial import InitConfig
from replai.training.metrics import METRICS_NAME, MetricsLog, read_metrics
from replai.training.optim import OptimConfig
from replai.training.ranks import Ranks
from replai.training.trainer import CHECKPOINT_NAME, Trainer
from tests.replai.stream.test_loader import damage
from tests.replai.training.runs import TINY_ENCODERS, tiny_run

ALONE = Ranks(0, 1, torch.device("cpu"))
JITTER = JitterConfig(brightness=0.4, contrast=0.4, saturation=0.4)
REPOSITORY = Path(__file__).parents[3]


class StoppedAfter(Trainer):
    """A trainer that is told to stop once it has made a number of steps."""

    stop_after = 0

    def train_step(self, placed: Placed) -> Any:
        result = super().train_step(placed)
        if self.step == self.stop_after:
            os.kill(os.getpid(), signal.SIGTERM)
        return result


def _weights(out: Path) -> dict[str, Any]:
    state = load_checkpoint(str(out / CHECKPOINT_NAME))
    state.pop("config")
    return state


def _assert_equal(one: Any, other: Any, where: str = "") -> None:
    if isinstance(one, dict):
        assert one.keys() == other.keys(), where
        for key in one:
            _assert_equal(one[key], other[key], f"{where}.{key}")
    elif isinstance(one, list):
        for i, (left, right) in enumerate(zip(one, other, strict=True)):
            _assert_equal(left, right, f"{where}[{i}]")
    elif isinstance(one, torch.Tensor):
        assert torch.equal(one, other), where
    else:
        assert one == other, where


def test_a_run_stopped_in_mid_epoch_continues_bit_for_bit(small_root: Path, tmp_path: Path) -> None:
    optim = OptimConfig(average_decay=0.9)
    whole = tiny_run(small_root, tmp_path / "whole", optim=optim)
    Trainer(whole, ALONE).train()
    parts = tiny_run(small_root, tmp_path / "parts", optim=optim)
    first = StoppedAfter(parts, ALONE)
    assert first.stream.batches_per_epoch > 1
    first.stop_after = first.stream.batches_per_epoch + 1
    with pytest.raises(KeyboardInterrupt):
        first.train()
    second = Trainer(parts, ALONE)
    assert second.step == first.stop_after
    assert second.stream.state.epoch == 1
    assert second.stream.state.batch == 1
    second.train()
    weights = _weights(tmp_path / "whole")
    _assert_equal(weights, _weights(tmp_path / "parts"))
    averaged = weights["encoders"]["video.conv1.0.weight"]  # what a probe reads
    assert not torch.equal(averaged, weights["live"]["encoders.video.conv1.0.weight"])
    rows, expected = (
        [(row["step"], row["loss"]) for row in read_metrics(tmp_path / name / METRICS_NAME)]
        for name in ("parts", "whole")
    )
    assert rows == expected


def test_the_loss_moves_the_weights_and_is_logged(small_root: Path, tmp_path: Path) -> None:
    config = tiny_run(small_root, tmp_path, num_epochs=1)
    before = {k: v.clone() for k, v in Trainer(config, ALONE).learner.state_dict().items()}
    trainer = Trainer(config, ALONE)
    trainer.train()
    still = [k for k, v in trainer.learner.named_parameters() if torch.equal(v, before[k])]
    # AStC sees only differences of this head's outputs, in which its bias cancels.
    assert still == ["objective.losses.astc.video_head.2.bias"]
    (row, *_) = read_metrics(tmp_path / METRICS_NAME)
    assert {"loss", "avc", "astc", "direction_accuracy", "wait_share", "moments_per_second"} <= set(
        row
    )
    assert (tmp_path / "config.yaml").read_text() == config_yaml(config)
    assert list(tmp_path.glob("events.out.tfevents.*"))


def test_ranks_that_see_other_data_or_no_checkpoint_are_refused(
    small_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tiny_run(small_root, tmp_path / "run", max_steps=1)
    said: list[str] = []
    monkeypatch.setattr(Ranks, "agree", lambda _, facts: not said.append(facts))
    Trainer(config, ALONE).train()
    Trainer(config, ALONE)
    copy = shutil.copytree(small_root, tmp_path / "copy")
    twice = DataConfig(
        mix=[WeightedRoot(root=str(small_root)), WeightedRoot(root=str(copy))],
        crop=config.data.crop, stream=config.data.stream,
    )  # fmt: skip
    Trainer(replace(config, data=twice, out=str(tmp_path / "other data")), ALONE)
    held_out = replace(config.data, validation_root=str(copy))
    Trainer(replace(config, data=held_out, out=str(tmp_path / "watched")), ALONE)
    assert len({*said}) == len(said) == 4
    monkeypatch.setattr(Ranks, "agree", lambda *_: False)
    with pytest.raises(
        UserError, match=r"rank 0 begins at step 1 of 1, in the dataset .*all nodes"
    ):
        Trainer(config, ALONE)


def test_max_steps_end_a_run_in_mid_epoch(small_root: Path, tmp_path: Path) -> None:
    config = tiny_run(small_root, tmp_path, max_steps=2)
    trainer = Trainer(config, ALONE)
    assert trainer.stream.batches_per_epoch > 2
    trainer.train()
    assert trainer.step == load_checkpoint(str(tmp_path / CHECKPOINT_NAME))["step"] == 2
    again = Trainer(config, ALONE)
    again.train()
    assert again.step == 2


def test_held_out_data_is_looked_at_after_the_last_step_of_a_part_of_an_epoch(
    small_root: Path, tmp_path: Path
) -> None:
    config = tiny_run(small_root, tmp_path, max_steps=2)
    config = replace(config, data=replace(config.data, validation_root=str(small_root)))
    Trainer(config, ALONE).train()
    rows = read_metrics(tmp_path / METRICS_NAME)
    assert [row["step"] for row in rows if "held_out/avc" in row] == [2]


def test_home_is_a_folder_of_its_own(
    small_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    config = replace(tiny_run(small_root, tmp_path, max_steps=2), out="~/runs/first")
    Trainer(config, ALONE).train()
    names = {path.name for path in (tmp_path / "home" / "runs" / "first").iterdir()}
    assert {CHECKPOINT_NAME, METRICS_NAME, "config.yaml"} <= names
    assert Trainer(config, ALONE).step == 2
    assert [path.name for path in tmp_path.iterdir()] == ["home"]


@pytest.mark.parametrize("out", ["s3://bucket/run", "runs/a::b", "pipe:cat"])
def test_a_folder_of_a_run_is_a_path(small_root: Path, tmp_path: Path, out: str) -> None:
    with pytest.raises(ValueError, match="a run's folder is a path"):
        replace(tiny_run(small_root, tmp_path), out=out)


def test_two_runs_in_one_folder_are_refused(
    small_root: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    config = tiny_run(small_root, tmp_path, max_steps=1)
    left = tmp_path / f".{CHECKPOINT_NAME}.12345678.tmp"
    left.write_bytes(b"half a checkpoint")
    monkeypatch.setattr("replai.training.claim.WAIT_SECONDS", 0.1)
    monkeypatch.setattr(sys, "argv", _train_command(config, tmp_path / "config.yaml")[1:])
    with claimed(tmp_path, ALONE, 600), pytest.raises(SystemExit, match="2"):
        runpy.run_path(str(REPOSITORY / "train.py"), run_name="__main__")
    said = capsys.readouterr()
    assert f"waiting for another run (process {os.getpid()} on " in said.out
    assert f"writes to {tmp_path}; wait for its end, or give another out" in said.err
    assert not (tmp_path / METRICS_NAME).exists()
    assert left.exists()
    Trainer(config, ALONE).train()
    assert not left.exists()


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/no/such/folder")
    for folder in (tmp_path / "link", Path("/proc/run")):
        with pytest.raises(UserError, match=str(folder)), claimed(folder, ALONE, 600):
            pass


def test_a_run_that_is_about_to_end_is_waited_for(tmp_path: Path) -> None:
    with ThreadPoolExecutor(1) as pool:
        with claimed(tmp_path, ALONE, 600):
            waiting = pool.submit(lambda: claimed(tmp_path, ALONE, 600).__enter__())
            with pytest.raises(TimeoutError):
                waiting.result(timeout=0.2)
        waiting.result(timeout=30)


def test_no_run_waits_for_longer_than_its_other_ranks(tmp_path: Path) -> None:
    with ThreadPoolExecutor(1) as pool, claimed(tmp_path, ALONE, 600):
        waiting = pool.submit(lambda: claimed(tmp_path, ALONE, timeout_seconds=0.2).__enter__())
        with pytest.raises(UserError, match="another run"):
            waiting.result(timeout=30)


def test_one_small_clip_at_a_time_is_refused(small_root: Path, tmp_path: Path) -> None:
    """One frame of one pixel is left of it, over which BatchNorm can tell nothing."""
    objective = ObjectiveConfig(name="avid", hidden_dim=16, out_dim=8)
    for one in ({"batch_size": 1}, {"compute": ComputeConfig(micro_batches=2)}):
        config = tiny_run(small_root, tmp_path, objective=objective, max_steps=1, **one)
        with pytest.raises(UserError, match=r"raise batch_size or data.crop.size_pixels"):
            Trainer(config, ALONE).train()


def test_jitter_changes_colours_and_nothing_else(small_root: Path, tmp_path: Path) -> None:
    trainer = Trainer(tiny_run(small_root, tmp_path), ALONE)
    placed = next(Feed(ALONE.device)(trainer.stream))
    views = jittered_views(placed, JITTER, seed=0)
    assert not torch.equal(views["video_before"], placed.batch.views["video_before"])
    assert torch.equal(views["audio"], placed.batch.views["audio"])
    assert jittered_views(placed, JitterConfig(), seed=0) is placed.views


def test_another_config_is_refused_on_resume(small_root: Path, tmp_path: Path) -> None:
    Trainer(tiny_run(small_root, tmp_path, num_epochs=1), ALONE).train()
    with pytest.raises(UserError, match=r"optim\.learning_rate=0\.005, this config says 0\.1"):
        Trainer(
            tiny_run(small_root, tmp_path, num_epochs=1, optim=OptimConfig(learning_rate=0.1)),
            ALONE,
        )
    Trainer(tiny_run(small_root, tmp_path, num_epochs=1, log_every_steps=7), ALONE)


def test_a_folder_that_is_a_file_is_named(small_root: Path, tmp_path: Path) -> None:
    (tmp_path / "run").touch()
    with pytest.raises(UserError, match=f"{tmp_path}/run: "):
        Trainer(tiny_run(small_root, tmp_path / "run"), ALONE).train()


def test_a_checkpoint_with_other_tensors_is_refused(small_root: Path, tmp_path: Path) -> None:
    """As one of a version whose objective remembered nothing, or more."""
    config = tiny_run(small_root, tmp_path)
    Trainer(config, ALONE).save()
    path = tmp_path / CHECKPOINT_NAME
    state = load_checkpoint(str(path))
    state["objective"]["memory"] = state["objective"].pop("losses.avc.video_head.0.bias")
    torch.save(state, path)
    says = r"another version .*avc\.video_head\.0\.bias is not in the file; objective\.memory is in"
    with pytest.raises(UserError, match=says):
        Trainer(config, ALONE)


def test_a_gradient_that_is_not_finite_stops_the_run_and_saves_nothing(
    small_root: Path, tmp_path: Path
) -> None:
    trainer = Trainer(tiny_run(small_root, tmp_path), ALONE)
    with torch.no_grad():
        next(trainer.learner.encoders.parameters()).fill_(float("nan"))
    with pytest.raises(UserError, match="gradient was not finite"):
        trainer.train()
    assert not (tmp_path / CHECKPOINT_NAME).exists()


def test_held_out_metrics_leave_the_model_as_it_was(small_root: Path, tmp_path: Path) -> None:
    config = tiny_run(small_root, tmp_path)
    config = replace(config, data=replace(config.data, validation_root=str(small_root)))
    trainer = Trainer(config, ALONE)
    before = {k: v.clone() for k, v in trainer.learner.state_dict().items()}
    values = trainer.validate()
    assert values == trainer.validate()
    assert {"held_out/avc", "held_out/astc", "held_out/direction_accuracy"} <= set(values)
    _assert_equal(before, dict(trainer.learner.state_dict()))


def test_held_out_data_is_looked_at_before_the_first_step(small_root: Path, tmp_path: Path) -> None:
    config = tiny_run(small_root, tmp_path)
    config = replace(config, data=replace(config.data, validation_root="/no/such"))
    with pytest.raises(UserError, match="no dataset at /no/such"):
        Trainer(config, ALONE)


def test_held_out_data_that_breaks_off_costs_no_step(small_root: Path, tmp_path: Path) -> None:
    config = tiny_run(small_root, tmp_path / "run", batch_size=9)
    stream = StreamConfig(num_workers=0, bad_samples=BadSampleConfig(max_in_a_row=2))
    config = replace(config, data=replace(config.data, stream=stream))
    root = shutil.copytree(small_root, tmp_path / "root")
    damage(root)
    trainer = Trainer(replace(config, data=replace(config.data, validation_root=str(root))), ALONE)
    with pytest.raises(UserError, match="bad samples"):
        trainer.train()
    assert Trainer(config, ALONE).step == trainer.step == trainer.stream.batches_per_epoch
    shutil.copytree(small_root, root, dirs_exist_ok=True)
    for _ in range(2):  # the second time nothing is owed
        again = Trainer(trainer.config, ALONE)
        again.train()
        rows = read_metrics(tmp_path / "run" / METRICS_NAME)
        assert [row["step"] for row in rows if "held_out/avc" in row] == [2, 4, again.step]


def test_a_full_disk_is_one_line_and_costs_no_step(
    small_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = Trainer(tiny_run(small_root, tmp_path, log_every_steps=1), ALONE)
    written = MetricsLog.write

    def write(log: MetricsLog, step: int, values: dict[str, float]) -> None:
        if step == 2:
            raise OSError(errno.ENOSPC, "No space left on device")
        written(log, step, values)

    monkeypatch.setattr(MetricsLog, "write", write)
    with pytest.raises(UserError, match="No space left on device; make room and run it again"):
        trainer.train()
    assert Trainer(trainer.config, ALONE).step == 2


def _train_command(config: RunConfig, path: Path, *overrides: str) -> list[str]:
    path.write_text(config_yaml(config))
    return [sys.executable, "train.py", "--config", str(path), *overrides]


def test_ctrl_c_leaves_a_checkpoint_and_the_run_continues(small_root: Path, tmp_path: Path) -> None:
    config = tiny_run(small_root, tmp_path / "run", num_epochs=2000)
    process = subprocess.Popen(
        _train_command(config, tmp_path / "config.yaml"),
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline().startswith("step 1/")
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors.strip()) == (130, "interrupted")
    resumed = Trainer(config, ALONE)
    assert resumed.step >= 1


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ("optim.learning_rte=1", "did you mean 'optim.learning_rate'?"),
        ("batch_size=many", "batch_size"),
        ("data.root=/no/such/root", "no dataset at /no/such/root"),
        ("data.root=s3://bucket/::pipe", "refused"),
        ("objective.name=repay", "replai"),
        ("batch_size=100000", "fewer than one global batch"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(
    small_root: Path, tmp_path: Path, override: str, says: str
) -> None:
    config = tiny_run(small_root, tmp_path / "run")
    done = subprocess.run(
        _train_command(config, tmp_path / "config.yaml", override),
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 2, done.stderr
    assert done.stderr.count("\n") == 1, done.stderr
    assert says in done.stderr
    assert not (tmp_path / "run").exists()


GROUPS = EncodersConfig(
    video=VideoEncoderConfig(width=4, blocks=(1, 1, 1, 1), norm="group"),
    audio=AudioEncoderConfig(width=4, norm="group"),
)
"""Without BatchNorm, whose statistics are each rank's own on the CPU, ranks compute one thing."""


def _torchrun(*options: str) -> list[str]:
    return [sys.executable, "-m", "torch.distributed.run", "--standalone", *options]


def test_two_ranks_have_the_loss_curve_of_one(small_root: Path, tmp_path: Path) -> None:
    """torchrun with two real processes against one process, step by step.

    From the weights of another run, which the first rank alone has read.
    """
    one = tiny_run(small_root, tmp_path / "one", num_epochs=1, batch_size=4, encoders=GROUPS)
    # Steep losses of so small a model make 1e-4 of a last bit, where a ReLU flips.
    gentle = replace(one.objective, avc_temperature=1.0, astc_temperature=1.0)
    one = replace(one, data=replace(one.data, jitter=JITTER), objective=gentle)
    Trainer(replace(one, out=str(tmp_path / "other"), seed=9), ALONE).save()
    one = replace(one, init=InitConfig(checkpoint=str(tmp_path / "other" / CHECKPOINT_NAME)))
    Trainer(one, ALONE).train()
    two = replace(one, out=str(tmp_path / "two"))
    command = _train_command(two, tmp_path / "config.yaml")
    done = subprocess.run(
        [*_torchrun("--nproc-per-node=2"), *command[1:]], cwd=REPOSITORY, capture_output=True,
        text=True, check=False, env={**os.environ, "OMP_NUM_THREADS": "1"}, timeout=200,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    expected, rows = (
        [(row["step"], row["loss"]) for row in read_metrics(tmp_path / name / METRICS_NAME)]
        for name in ("one", "two")
    )
    assert len(expected) >= 3
    np.testing.assert_allclose(rows, expected, rtol=1e-5)
    for name, value in _weights(tmp_path / "one")["encoders"].items():
        other = _weights(tmp_path / "two")["encoders"][name]
        torch.testing.assert_close(other, value, rtol=1e-4, atol=1e-6)


def test_standardised_features_of_one_moment_are_refused_before_data_is_opened(
    tmp_path: Path,
) -> None:
    encoders = replace(TINY_ENCODERS, standardise=True)
    config = tiny_run(Path("/no/such"), tmp_path / "run", batch_size=1, encoders=encoders)
    with pytest.raises(UserError, match=r"batch_size 1 on 1 ranks gives 1"):
        Trainer(config, ALONE)
