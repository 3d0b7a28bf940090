"""The probe on a small packed world."""

from __future__ import annotations

import json
import os
import runpy
import shutil
import socket
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
import torch.distributed as dist

from replai.core.annotations import Classes
from replai.core.config import config_yaml, load_config
from replai.core.errors import UserError
from replai.core.index import DatasetIndex, dataset_hash, open_index
from replai.evaluation import probe
from replai.evaluation.config import (
    IntervalConfig,
    LinearConfig,
    Method,
    Over,
    ProbeConfig,
    SoundsConfig,
)
from replai.evaluation.evaluate import Outcome, evaluate
from replai.evaluation.probe import ProbeFeatures, probe_features, read_features, run_probe
from replai.stream.loader import StreamConfig
from replai.stream.worker import fork_server
from replai.training.ranks import Ranks
from replai.training.trainer import CHECKPOINT_NAME, Trainer
from tests.replai.evaluation.made_up import separable
from tests.replai.stream.test_loader import damage
from tests.replai.training.runs import TINY_CROP, tiny_run
from tests.worlds import SmallData

CPU = torch.device("cpu")
PROBE = Path(__file__).parents[3] / "probe.py"


@pytest.fixture(scope="module")
def checkpoint(small_root: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Of a tiny run of one epoch."""
    out = tmp_path_factory.mktemp("run")
    Trainer(tiny_run(small_root, out, num_epochs=1), Ranks(0, 1, CPU)).train()
    return str(out / CHECKPOINT_NAME)


def config(train: Path, test: Path, out: Path, checkpoint: str = "none.pt") -> ProbeConfig:
    return ProbeConfig(
        checkpoint=checkpoint,
        train_root=str(train),
        test_root=str(test),
        out=str(out),
        crop=TINY_CROP,
        stream=StreamConfig(num_workers=0),
        batch_size=4,
        cpu_threads=1,
        linear=LinearConfig(num_epochs=2),
        interval=IntervalConfig(num_resamples=20),
    )


def _change_column(root: Path, name: str, value: str | int) -> None:
    """Gives all rows of the index `value`."""
    table = pq.read_table(root / "index.parquet")
    column = pa.array([value] * table.num_rows, table.schema.field(name).type)
    table = table.set_column(table.column_names.index(name), name, column)
    pq.write_table(table, root / "index.parquet")
    listing = root / "shards.json"
    fields = json.loads(listing.read_text())
    fields["replai"]["dataset_hash"] = dataset_hash(table)
    listing.write_text(json.dumps(fields))


def test_a_probe_on_its_own_training_videos_is_refused(small_root: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="videos are in both"):
        run_probe(config(small_root, small_root, tmp_path), CPU)


def test_an_out_that_cannot_be_written_to_is_refused_at_once(tmp_path: Path) -> None:
    (tmp_path / "out").touch()
    with pytest.raises(UserError, match=f"{tmp_path}/out/probe.yaml"):
        run_probe(config(Path("/no/such"), Path("/no/such"), tmp_path / "out"), CPU)


def test_a_split_without_a_label_is_refused_before_anything_is_read(
    small_root: Path, other_root: Path, tmp_path: Path
) -> None:
    """A checkpoint that is none would be told next. What an earlier probe has left stays."""
    (tmp_path / "probe.yaml").write_text("of an earlier probe")
    shutil.copytree(other_root, tmp_path / "root")
    _change_column(tmp_path / "root", "num_actions", 0)
    wanted = config(small_root, tmp_path / "root", tmp_path)
    with pytest.raises(UserError, match=r"root has no labelled action; .* by test_annotations"):
        run_probe(wanted, CPU)
    assert (tmp_path / "probe.yaml").read_text() == "of an earlier probe"


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
    with pytest.raises(UserError, match=r"of the nouns is class \d+ in .* pack both with the same"):
        run_probe(config(small_root, tmp_path / "root", tmp_path), CPU)


def with_verbs(root: Path, verbs: Classes) -> DatasetIndex:
    """A root whose verb classes are these."""
    index = open_index(str(root))
    names = {str(class_id): name for class_id, name in verbs.names.items()}
    origins = {"verb classes": verbs.source}
    return replace(index, header=replace(index.header, verbs=names, origins=origins))


def by_name(*names: str) -> Classes:
    return Classes.numbered(names, "a.csv")


def of_a_file(*names: str) -> Classes:
    return Classes(dict(enumerate(names)), "a.csv")


@pytest.mark.parametrize(
    ("train", "test", "refused"),
    [
        (by_name("close", "cut", "open"), by_name("close", "cut"), ""),
        (by_name("close", "cut", "open"), by_name("cut", "open"), "'cut' of the verbs is class 1"),
        (
            by_name("close", "cut", "open"),
            by_name("close", "cut", "pour"),
            "class 2 of the verbs is 'open' in .* and 'pour' in ",
        ),
        (of_a_file("close", "open"), by_name("close", "pour"), "class 1 of the verbs is 'open'"),
        (of_a_file("put", "take-out"), of_a_file("put", "take"), ""),
        (of_a_file("", "", ""), of_a_file("", "", ""), ""),
        (of_a_file("cut", "cut"), of_a_file("cut", "cut"), ""),
        (of_a_file("cut", "cut"), of_a_file("put", "cut"), ""),
        (of_a_file("cut", "cut"), of_a_file("a", "b", "cut"), "'cut' of the verbs is class 0"),
        (
            of_a_file("cut"),
            Classes({10**9: "cut"}, "a.csv"),
            "1000000000 is the id of a verb class",
        ),
    ],
)
def test_class_ids_that_mean_two_things_are_refused(
    train: Classes, test: Classes, refused: str, small_root: Path, other_root: Path, tmp_path: Path
) -> None:
    """What is not refused comes to the checkpoint, which is none."""
    opened = [with_verbs(small_root, train), with_verbs(other_root, test)]
    with (
        mock.patch.object(probe, "open_index", side_effect=opened),
        pytest.raises(UserError, match=refused or "none.pt"),
    ):
        run_probe(config(small_root, other_root, tmp_path), CPU)


def test_names_that_files_number_otherwise_are_refused(
    small_data: SmallData, tmp_path: Path
) -> None:
    """The ids are those of the files, whatever the root says of its own."""
    videos = sorted(set(open_index(str(small_data.root)).column("video_id")))
    for name, video, verbs in (
        ("train", videos[0], ("close", "cut", "open")),
        ("test", videos[1], ("close", "cut", "pour")),
    ):
        rows = [f"{video},1,2,{verb},door" for verb in verbs]
        header = "video_id,start_seconds,stop_seconds,verb,noun"
        (tmp_path / f"{name}.csv").write_text("\n".join([header, *rows]) + "\n")
    wanted = replace(
        config(small_data.root, small_data.root, tmp_path),
        train_annotations=str(tmp_path / "train.csv"),
        test_annotations=str(tmp_path / "test.csv"),
    )
    with pytest.raises(UserError, match=r"class 2 of the verbs is 'open' in .* and 'pour' in "):
        run_probe(wanted, CPU)


def test_intervals_over_what_videos_do_not_name_are_refused_before_anything_is_read(
    small_root: Path, other_root: Path, tmp_path: Path
) -> None:
    """A checkpoint that is none would be told next."""
    shutil.copytree(other_root, tmp_path / "root")
    _change_column(tmp_path / "root", "video_id", "kitchen")
    wanted = config(small_root, tmp_path / "root", tmp_path)
    wanted = replace(wanted, interval=IntervalConfig(over=Over.participant))
    with pytest.raises(UserError, match=r"'kitchen' names no participant .*interval.over=video"):
        run_probe(wanted, CPU)


def test_trained_and_random_stand_side_by_side(
    small_root: Path, other_root: Path, tmp_path: Path, checkpoint: str
) -> None:
    wanted = replace(
        config(small_root, other_root, tmp_path, checkpoint),
        classifiers=[Method.sgd, Method.svm],
    )
    result = run_probe(wanted, CPU)
    assert list(result) == ["trained", "random", "trained (svm)", "random (svm)"]
    for outcome in result.values():
        fields = outcome.to_fields()
        for name in ("verb_top1", "verb_top5", "noun_top1", "noun_top5"):
            assert 0 <= fields[name] <= 100
        told = fields["protocol"]["actions"]
        assert told["num_train"] == open_index(str(small_root)).header.num_actions
        assert told["clips_per_action"] == 2 and told["test"] == str(other_root)


def test_labels_of_files_split_one_root(
    small_data: SmallData, tmp_path: Path, checkpoint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    header, *rows = small_data.annotations.read_text().splitlines()
    last = rows[-1].split(",")[2]
    for name, chosen in (
        ("train", [row for row in rows if row.split(",")[2] != last]),
        ("test", [row for row in rows if row.split(",")[2] == last]),
    ):
        (tmp_path / f"{name}.csv").write_text("\n".join([header, *chosen]) + "\n")
    wanted = replace(
        config(small_data.root, small_data.root, tmp_path, checkpoint),
        train_annotations=str(tmp_path / "train.csv"),
        test_annotations=str(tmp_path / "test.csv"),
    )
    told = run_probe(wanted, CPU)["trained"].to_fields()["protocol"]["actions"]
    assert told["num_train"] + told["num_test"] == len(rows)
    assert told["test"] == str(tmp_path / "test.csv")
    said = capsys.readouterr().out.splitlines()
    assert (
        f"labels of {small_data.root}: {told['num_test']} of {told['num_test']} actions" in said[1]
    )


def test_bad_samples_are_named_once_and_counted_on_the_screen(
    small_root: Path,
    other_root: Path,
    tmp_path: Path,
    checkpoint: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    root = shutil.copytree(small_root, tmp_path / "root")
    index = open_index(str(root))
    victim = index.column("key")[index.column("num_actions") == 1][0]
    damage(root, victim)
    (tmp_path / "quarantine-rank5.jsonl").write_text("of a probe on more ranks")
    for _ in range(2):  # a second probe does not repeat what the first one wrote
        capsys.readouterr()
        outcome = run_probe(config(root, other_root, tmp_path, checkpoint), CPU)["trained"]
    written = (tmp_path / "quarantine.jsonl").read_text()
    named = [json.loads(row)["key"] for row in written.splitlines()]
    assert named == [victim]
    assert not (tmp_path / "quarantine-rank5.jsonl").exists()
    line = f"1 bad samples of {root} are left out; they are named in {tmp_path}/quarantine.jsonl"
    assert capsys.readouterr().out.splitlines()[1:] == [line]
    assert outcome.to_fields()["protocol"]["actions"]["num_left_out"] == 1


def test_a_task_without_labels_is_told_once(capsys: pytest.CaptureFixture[str]) -> None:
    train, test = separable(40, 0), separable(40, 1)
    labels = test.labels.clone()
    labels[:, 1] = -1
    splits = tuple({name: one for name in ("trained", "random")}
                   for one in (train, replace(test, labels=labels)))  # fmt: skip
    wanted = replace(
        config(Path("a"), Path("b"), Path("out")), classifiers=[Method.sgd, Method.logistic]
    )
    first, result = probe_features(ProbeFeatures(splits, {}), wanted)
    assert list(first) == ["trained", "random"], "found before the next classifier begins"
    assert "noun_top1" not in result["random (logistic)"].figures
    told = "no item of the test split has a class of the nouns: no figures of them\n"
    assert capsys.readouterr().out == told


def test_all_is_read_before_anything_is_fitted(
    small_root: Path, other_root: Path, tmp_path: Path, checkpoint: str
) -> None:
    """Else the other ranks wait for the sounds, and give up after `rank_timeout_seconds`."""
    wanted = config(small_root, other_root, tmp_path, checkpoint)
    wanted = replace(wanted, sounds=SoundsConfig(folder="ESC-50"))
    done: list[str] = []

    def noted(name: str, gives: object) -> mock._patch[mock.Mock]:
        mocked = mock.Mock(side_effect=lambda *_: done.append(name) or gives)
        return mock.patch.object(probe, name, mocked)

    one = {"trained": separable(20, 0)}
    with (
        noted("read_esc50", ["a recording"]), noted("action_features", one),
        noted("sound_features", one), noted("evaluate", Outcome()),
        noted("evaluate_folds", Outcome()),
    ):  # fmt: skip
        features = read_features(wanted, CPU)
        assert done == ["read_esc50", *["action_features"] * 2, "sound_features"]
        list(probe_features(features, wanted))
    assert done[4:] == ["evaluate", "evaluate_folds"]


def test_what_is_found_is_there_when_a_later_classifier_fails(tmp_path: Path) -> None:
    """Its training split has one video: none to choose C on. The seed is one of `date`."""
    train = replace(separable(40, 0), origins=np.array(["P01_1"] * 40))
    splits = tuple(
        {name: one for name in ("trained", "random")} for one in (train, separable(40, 1))
    )
    wanted = replace(
        config(Path("a"), Path("b"), tmp_path), classifiers=[Method.sgd, Method.svm],
        seed=202511231530,
    )  # fmt: skip
    found = probe_features(ProbeFeatures(splits, {}), wanted)
    assert list(next(found)) == ["trained", "random"]
    with pytest.raises(UserError, match="hold"):
        next(found)
    alone = replace(wanted, classifiers=[Method.svm])
    splits = tuple({"trained": one} for one in (separable(40, 0), separable(40, 1)))
    assert next(probe_features(ProbeFeatures(splits, {}), alone))["trained"].figures


def test_ranks_that_open_other_labels_are_refused(
    small_root: Path, other_root: Path, tmp_path: Path, checkpoint: str
) -> None:
    said: list[str] = []
    for test in (other_root, small_root):
        wanted = config(small_root, test, tmp_path, checkpoint)
        with (
            mock.patch.object(probe, "_refuse_shared_videos"),
            pytest.raises(UserError, match="ranks have opened other data or labels"),
        ):
            read_features(wanted, CPU, agree=lambda facts: bool(said.append(facts)))
    assert len({*said}) == 2


def test_figures_without_a_folder_are_refused(
    small_root: Path, other_root: Path, tmp_path: Path, checkpoint: str
) -> None:
    with pytest.raises(ValueError, match="out is empty; it must be a folder"):
        replace(config(small_root, other_root, tmp_path, checkpoint), out="")


def test_sounds_shorter_than_a_spectrogram_are_refused_before_anything_is_read(
    small_root: Path, other_root: Path, tmp_path: Path, checkpoint: str
) -> None:
    sounds = SoundsConfig(folder="ESC-50", clip_seconds=0.02)
    wanted = replace(config(small_root, other_root, tmp_path, checkpoint), sounds=sounds)
    with (
        mock.patch.object(probe, "read_esc50", lambda _: ["a recording"]),
        pytest.raises(UserError, match=r"sounds.clip_seconds is 0.02: 320 samples, fewer than"),
    ):
        read_features(wanted, CPU)


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
        run_probe(config(small_root, other_root, tmp_path, str(path)), CPU)


@pytest.mark.parametrize("name", ["demo", "epic100", "esc50"])
def test_every_config_of_the_repository_can_be_read(name: str) -> None:
    given = ["checkpoint=c", "out=o", "train_root=a", "test_root=b"]
    given += ["sounds.folder=s"] if name == "esc50" else []
    path = Path(__file__).parents[3] / "configs" / "probe" / f"{name}.yaml"
    found = load_config(ProbeConfig, path, given)
    assert found.checkpoint == "c"
    if name == "epic100":  # the paper's heads, AVID's clips
        heads = LinearConfig(learning_rate=0.005, batch_size=128, num_epochs=30, weight_decay=0.0)
        assert found.linear == heads
        assert [round(share * 30) for share in found.linear.drop_at] == [18, 24]
        assert (found.clips_per_action, found.parts) == (10, 1)


def run_command(rank: int, world_size: int, port: int, path: str) -> None:
    """`python probe.py --config PATH` as torchrun starts it."""
    os.environ |= {"RANK": str(rank), "WORLD_SIZE": str(world_size), "LOCAL_RANK": str(rank),
                   "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}  # fmt: skip
    with (
        mock.patch.object(sys, "argv", ["probe.py", "--config", path]),
        mock.patch.object(probe, "evaluate", evaluated_alone),
    ):
        runpy.run_path(str(PROBE), run_name="__main__")


def evaluated_alone(*arguments: Any) -> Outcome:
    """`evaluate`, which may take hours, in which no other rank should wait to leave."""
    assert not dist.is_initialized()
    return evaluate(*arguments)


def test_two_processes_find_what_one_finds(
    small_root: Path, other_root: Path, tmp_path: Path, checkpoint: str
) -> None:
    wanted = config(small_root, other_root, tmp_path / "two", checkpoint)
    num_actions = open_index(str(small_root)).header.num_actions
    assert -(-num_actions // 4) % 2, "one rank should have a batch of padding alone"
    (tmp_path / "probe.yaml").write_text(config_yaml(wanted))
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    ranks = [
        fork_server().Process(target=run_command, args=(rank, 2, port, f"{tmp_path}/probe.yaml"))
        for rank in (0, 1)
    ]
    for process in ranks:
        process.start()
    for process in ranks:
        process.join(200)
        assert process.exitcode == 0
    alone = {name: outcome.to_fields() for name, outcome in run_probe(wanted, CPU).items()}
    written = json.loads((tmp_path / "two" / "probe.json").read_text())
    assert written == json.loads(json.dumps(alone))
    pictures = {path.name for path in (tmp_path / "two").glob("*.png")}
    assert pictures == {"probe.png", "probe-classes.png"}
