"""The probe on a small packed world."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from replai.core.errors import UserError
from replai.core.index import open_index
from replai.evaluation.config import LinearConfig, Pool, ProbeConfig
from replai.evaluation.features import action_features
from replai.evaluation.probe import run_probe
from replai.models import Encoders
from replai.stream.loader import StreamConfig
from replai.training.ranks import Ranks
from replai.training.trainer import CHECKPOINT_NAME, Trainer
from tests.replai.stream.test_loader import damage
from tests.replai.training.runs import TINY_CROP, TINY_ENCODERS, tiny_run

CPU = torch.device("cpu")


def _config(root: Path, out: Path) -> ProbeConfig:
    return ProbeConfig(
        checkpoint=str(out / CHECKPOINT_NAME),
        train_root=str(root),
        test_root=str(root),
        out=str(out),
        crop=TINY_CROP,
        stream=StreamConfig(num_workers=0),
        batch_size=4,
        cpu_threads=1,
        linear=LinearConfig(num_epochs=2),
    )


def test_each_action_comes_once_and_nothing_of_the_encoder_moves(
    small_root: Path, tmp_path: Path
) -> None:
    index, encoders = open_index(str(small_root)), Encoders(TINY_ENCODERS)
    before = {name: value.clone() for name, value in encoders.state_dict().items()}
    features = action_features(encoders, index, _config(small_root, tmp_path), CPU)
    assert len(features.values) == len(features.labels) == index.header.num_actions
    assert index.header.num_actions % 4  # the last batch is padded, and the padding left out
    assert all(torch.equal(value, before[name]) for name, value in encoders.state_dict().items())
    classes = {str(int(label)) for label in features.labels[:, 0]}
    assert classes <= set(index.header.verbs)


def test_features_do_not_depend_on_the_batch(small_root: Path, tmp_path: Path) -> None:
    index, encoders = open_index(str(small_root)), Encoders(TINY_ENCODERS)
    config = _config(small_root, tmp_path)
    one, other = (
        action_features(encoders, index, replace(config, batch_size=size), CPU) for size in (4, 3)
    )
    torch.testing.assert_close(one.values, other.values)
    assert torch.equal(one.labels, other.labels)


def test_pooling(small_root: Path, tmp_path: Path) -> None:
    index, encoders = open_index(str(small_root)), Encoders(TINY_ENCODERS)
    config = _config(small_root, tmp_path)
    joined = action_features(encoders, index, config, CPU).values
    mean = action_features(encoders, index, replace(config, pool=Pool.mean), CPU).values
    assert joined.shape[1] == 2 * mean.shape[1]
    first, second = joined.chunk(2, dim=1)
    np.testing.assert_allclose(((first + second) / 2).numpy(), mean.numpy(), rtol=1e-4, atol=1e-5)
    assert not torch.allclose(first, second)


def test_a_probe_on_its_own_training_videos_is_refused(small_root: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="videos are in both"):
        run_probe(_config(small_root, tmp_path))


def test_a_probe_on_other_class_ids_is_refused(
    small_root: Path, other_root: Path, tmp_path: Path
) -> None:
    shutil.copytree(other_root, tmp_path / "root")
    path = tmp_path / "root" / "shards.json"
    fields = json.loads(path.read_text())
    nouns = fields["replai"]["nouns"]
    first, second = sorted(nouns)[:2]
    nouns[first], nouns[second] = nouns[second], nouns[first]
    path.write_text(json.dumps(fields))
    config = replace(_config(small_root, tmp_path), test_root=str(tmp_path / "root"))
    with pytest.raises(UserError, match=r"of the nouns is class \d+ in .* pack both with the same"):
        run_probe(config)


def test_trained_and_random_stand_side_by_side(
    small_root: Path, other_root: Path, tmp_path: Path
) -> None:
    Trainer(tiny_run(small_root, tmp_path, num_epochs=1), Ranks(0, 1, CPU)).train()
    result = run_probe(replace(_config(small_root, tmp_path), test_root=str(other_root)))
    assert list(result) == ["trained", "random"]
    for figures in result.values():
        assert list(figures) == ["verb_top1", "verb_top5", "noun_top1", "noun_top5"]
        assert all(0 <= value <= 100 for value in figures.values())


def test_bad_samples_are_named_once_and_counted_on_the_screen(
    small_root: Path, other_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Trainer(tiny_run(small_root, tmp_path, num_epochs=1), Ranks(0, 1, CPU)).train()
    root = shutil.copytree(small_root, tmp_path / "root")
    index = open_index(str(root))
    victim = index.column("key")[index.column("num_actions") == 1][0]
    damage(root, victim)
    config = replace(_config(root, tmp_path), test_root=str(other_root))
    for _ in range(2):  # a second probe does not repeat what the first one wrote
        capsys.readouterr()
        run_probe(config)
    written = (tmp_path / "quarantine.jsonl").read_text()
    named = [json.loads(row)["key"] for row in written.splitlines()]
    assert named == [victim]
    line = f"1 bad samples of {root} are left out; they are named in {tmp_path}/quarantine.jsonl"
    assert capsys.readouterr().out.splitlines() == [line]


@pytest.mark.parametrize("kind", ["missing", "text", "pickle"])
def test_a_checkpoint_that_is_none_is_named(
    small_root: Path, other_root: Path, tmp_path: Path, kind: str
) -> None:
    path = tmp_path / CHECKPOINT_NAME
    if kind == "text":
        path.write_text("hello")
    if kind == "pickle":
        torch.save({"evil": print}, path)
    with pytest.raises(UserError, match=CHECKPOINT_NAME):
        run_probe(replace(_config(small_root, tmp_path), test_root=str(other_root)))
