"""A run that starts from released weights, or from another run's."""

import pickle
import re
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import fsspec
import pytest
import torch

from replai.checkpoint import load_foreign, save_checkpoint
from replai.core.errors import UserError
from replai.models import AudioEncoderConfig, EncodersConfig, VideoEncoderConfig
from replai.models.inputs import LogMelConfig
from replai.objectives import ObjectiveConfig
from replai.training.initial import InitConfig, initialise
from replai.training.learner import Learner
from replai.training.ranks import Ranks
from replai.training.trainer import Trainer
from tests.replai.training.released import (
    Model,
    avid_shapes,
    random_model,
    replai_shapes,
    write_avid,
    write_replai,
)
from tests.replai.training.runs import TINY_ENCODERS, tiny_run

ENCODERS = {"video_model": "encoders.video", "audio_model": "encoders.audio",
            "backbone.video": "encoders.video", "backbone.audio": "encoders.audio"}  # fmt: skip
HEADS = {
    "avid": {"video_proj.projection": "objective.heads.video",
             "audio_proj.projection": "objective.heads.audio"},
    "replai": {"mlp.video_clr": "objective.losses.avc.video_head",
               "mlp.audio_clr": "objective.losses.avc.audio_head",
               "mlp.video_aot": "objective.losses.astc.video_head",
               "mlp.audio_aot": "objective.losses.astc.audio_head",
               "mlp.aot_diff": "objective.losses.astc.difference_head"},
}  # fmt: skip


@pytest.fixture(scope="module")
def learners() -> dict[str, Learner]:
    """A full-size learner for each objective; its weights are overwritten again and again."""
    return {
        name: Learner(EncodersConfig(), ObjectiveConfig(name=name), seed=0)
        for name in ("avid", "replai")
    }


@pytest.fixture(scope="module")
def avid() -> Model:
    return random_model(avid_shapes())


@pytest.fixture(scope="module")
def replai() -> Model:
    return random_model(replai_shapes())


@pytest.fixture(scope="module")
def avid_file(avid: Model, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("avid") / "avid.pt"
    write_avid(path, avid)
    return path


@pytest.fixture(scope="module")
def replai_file(replai: Model, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("replai") / "replai.pt"
    write_replai(path, replai)
    return path


def state_of(learner: Learner) -> Model:
    return {key: value.clone() for key, value in learner.state_dict().items()}


def assert_holds(learner: Learner, model: Model, names: dict[str, str]) -> set[str]:
    """Each tensor of `model` that has one of our names is in the learner; returns these names."""
    state, found = learner.state_dict(), set()
    for key, value in model.items():
        for theirs, ours in names.items():
            if key.startswith(f"{theirs}."):
                name = ours + key.removeprefix(theirs)
                assert state[name].equal(value), name
                found.add(name)
    return found


def summary(report: str) -> tuple[int, ...]:
    """(loaded, new, not used), from the last line."""
    return tuple(map(int, re.findall(r"(\d+) (?:tensors loaded|new|of the file)", report)))


def weights(learner: Learner) -> set[str]:
    return {key for key in learner.state_dict() if not key.startswith("encoders.log_mel.")}


def test_avids_encoders_and_heads(
    learners: dict[str, Learner], avid: Model, avid_file: Path
) -> None:
    learner = learners["avid"]
    report = initialise(learner, InitConfig(avid=str(avid_file)))
    assert assert_holds(learner, avid, ENCODERS | HEADS["avid"]) == weights(learner)
    assert summary(report) == (len(avid), 0, 0)
    assert "video_model.* -> encoders.video.*: " in report
    assert f"init.avid: {len(avid)} tensors loaded, 0 new, 0 of the file not used" in report


def test_replais_encoders_and_heads(
    learners: dict[str, Learner], replai: Model, replai_file: Path
) -> None:
    learner = learners["replai"]
    report = initialise(learner, InitConfig(replai=str(replai_file)))
    assert assert_holds(learner, replai, ENCODERS | HEADS["replai"]) == weights(learner)
    assert summary(report) == (len(replai), 0, 0)


def test_what_the_file_has_not_stays_as_drawn_and_is_named(
    learners: dict[str, Learner], avid: Model, avid_file: Path
) -> None:
    """RepLAI from AVID: AVID's heads are not RepLAI's."""
    learner = learners["replai"]
    before = state_of(learner)
    report = initialise(learner, InitConfig(avid=str(avid_file)))
    found = assert_holds(learner, avid, ENCODERS)
    drawn = weights(learner) - found
    assert len(drawn) == 20
    assert all(learner.state_dict()[key].equal(before[key]) for key in drawn)
    assert summary(report) == (len(found), 20, 12)
    assert "new, not in the file: objective.losses.astc.difference_head.2.{weight,bias}" in report
    assert "in the file, not used: audio_proj.projection.4.{weight,bias}" in report


def test_heads_of_another_size_are_left_out_and_named(
    learners: dict[str, Learner], avid: Model, tmp_path: Path
) -> None:
    key = "video_proj.projection.4.weight"
    write_avid(tmp_path / "avid.pt", {**avid, key: torch.zeros(64, 512)})
    learner = learners["avid"]
    before = learner.state_dict()["objective.heads.video.4.weight"].clone()
    report = initialise(learner, InitConfig(avid=str(tmp_path / "avid.pt")))
    assert learner.state_dict()["objective.heads.video.4.weight"].equal(before)
    assert "new, of another size in the file: objective.heads.video.4.{weight}" in report
    assert summary(report) == (len(avid) - 1, 1, 0)


def test_encoders_are_taken_whole_or_not_at_all(
    learners: dict[str, Learner], avid: Model, tmp_path: Path
) -> None:
    """A tensor of another shape, one that is missing and one too many: each is named."""
    spoilt = dict(avid)
    spoilt["video_model.conv1.0.weight"] = torch.zeros(32, 3, 3, 7, 7)
    del spoilt["audio_model.block3.bn1.running_var"]
    spoilt["video_model.conv2x.2.out_bn.weight"] = torch.zeros(64)
    write_avid(tmp_path / "avid.pt", spoilt)
    before = state_of(learners["replai"])
    with pytest.raises(UserError) as caught:
        initialise(learners["replai"], InitConfig(avid=str(tmp_path / "avid.pt")))
    for says in (
        "encoders.video.conv1.0.weight is 64x3x3x7x7 here, 32x3x3x7x7 there",
        "encoders.audio.block3.bn1.running_var is not in the file",
        "encoders.video.conv2x.2.out_bn.weight is in the file alone",
    ):
        assert says in str(caught.value)
    assert all(value.equal(before[key]) for key, value in learners["replai"].state_dict().items())


@pytest.mark.parametrize(
    "encoders",
    [
        TINY_ENCODERS,
        EncodersConfig(video=VideoEncoderConfig(norm="group"), audio=AudioEncoderConfig()),
        EncodersConfig(video=VideoEncoderConfig(blocks=(2, 2, 2, 1)), audio=AudioEncoderConfig()),
    ],
)
def test_encoders_of_another_form_are_refused(encoders: EncodersConfig, avid_file: Path) -> None:
    learner = Learner(encoders, ObjectiveConfig(), seed=0)
    with pytest.raises(UserError, match=r"other encoders .* more differ.*encoders\.video, enc"):
        initialise(learner, InitConfig(avid=str(avid_file)))


def test_the_other_layout_is_pointed_out(
    learners: dict[str, Learner], avid_file: Path, replai_file: Path, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=r"no video_model\.\* and .*; it is one for init.replai"):
        initialise(learners["avid"], InitConfig(avid=str(replai_file)))
    with pytest.raises(UserError, match=r"no backbone\.video.*; it is one for init.avid"):
        initialise(learners["avid"], InitConfig(replai=str(avid_file)))
    save_checkpoint(str(tmp_path / "ours.pt"), {"encoders": {}})
    with pytest.raises(UserError, match=r"no video_model\.\* .*; it is one for init.checkpoint"):
        initialise(learners["avid"], InitConfig(avid=str(tmp_path / "ours.pt")))
    for number, other in enumerate(({"weights": {}}, {"model": {"conv1.weight": torch.ones(1)}})):
        path = tmp_path / f"{number}.pt"
        torch.save(other, path)
        with pytest.raises(UserError, match="give a checkpoint as released"):
            initialise(learners["avid"], InitConfig(avid=str(path)))


def test_a_local_file_is_mapped_not_read(avid_file: Path) -> None:
    state = load_foreign(str(avid_file))
    assert str(avid_file) in Path("/proc/self/maps").read_text()
    del state
    assert str(avid_file) not in Path("/proc/self/maps").read_text()


def test_files_of_torch_before_1_6(tmp_path: Path) -> None:
    model = {"a": torch.arange(3.0)}
    path = tmp_path / "old.pt"
    torch.save({"model": model}, path, _use_new_zipfile_serialization=False)
    assert load_foreign(str(path))["model"]["a"].equal(model["a"])
    whole = path.read_bytes()
    for size in range(0, len(whole), 7):
        path.write_bytes(whole[:size])
        with pytest.raises(UserError, match=re.escape(str(path))):
            load_foreign(str(path))


class Opens:
    """Unpickled, it would run code."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (print, ("unpickled",))


@pytest.mark.parametrize("as_zip", [True, False])
def test_nothing_is_unpickled_but_tensors(
    as_zip: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "bad.pt"
    torch.save({"model": Opens()}, path, _use_new_zipfile_serialization=as_zip)
    with pytest.raises(UserError, match="safe to load"):
        load_foreign(str(path))
    assert "unpickled" not in capsys.readouterr().out


def test_what_is_no_checkpoint_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "file.pt"
    for content in (b"", b"PK", b"weights", pickle.dumps({"model": {}})):
        path.write_bytes(content)
        with pytest.raises(UserError, match="no torch checkpoint"):
            load_foreign(str(path))
    torch.save(torch.ones(3), path)
    with pytest.raises(UserError, match="holds no dict"):
        load_foreign(str(path))
    with pytest.raises(UserError, match=r"no such file.*missing\.pt"):
        load_foreign(str(tmp_path / "missing.pt"))


def test_a_file_elsewhere_is_fetched(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.save({"model": {"a": torch.arange(3.0)}}, tmp_path / "file.pt")
    with fsspec.open("memory://bucket/file.pt", "wb") as file:
        file.write((tmp_path / "file.pt").read_bytes())
    state = load_foreign("memory://bucket/file.pt")
    assert state["model"]["a"].tolist() == [0, 1, 2]
    assert "fetching memory://bucket/file.pt" in capsys.readouterr().out
    with pytest.raises(UserError, match="no such file"):
        load_foreign("memory://bucket/missing.pt")
    monkeypatch.setattr("replai.core.storage.stated_size", lambda _: None)  # as of web servers
    assert load_foreign("memory://bucket/file.pt")["model"]["a"].tolist() == [0, 1, 2]


def saved_run(path: Path, objective: ObjectiveConfig) -> Learner:
    """A checkpoint of train.py, in what concerns its weights, and what is in it."""
    learner = Learner(TINY_ENCODERS, objective, seed=5)
    learner.objective.prepare(9, seed=5)
    state = {part: getattr(learner, part).state_dict() for part in ("encoders", "objective")}
    config = {"encoders": asdict(learner.encoders.config)}
    save_checkpoint(str(path), {**state, "config": config})
    return learner


SMALL = {"hidden_dim": 16, "out_dim": 8}


def test_our_own_avid_run_starts_replai(tmp_path: Path) -> None:
    first = saved_run(tmp_path / "avid.pt", ObjectiveConfig(name="avid", **SMALL))  # type: ignore[arg-type]
    second = Learner(TINY_ENCODERS, ObjectiveConfig(**SMALL), seed=0)  # type: ignore[arg-type]
    report = initialise(second, InitConfig(checkpoint=str(tmp_path / "avid.pt")))
    for key, value in first.encoders.state_dict().items():
        assert second.encoders.state_dict()[key].equal(value)
    assert "in the file, not used: objective.memories.video.{vectors}" in report
    assert "new, not in the file: objective.losses.avc.video_head.0.{weight,bias}" in report


def test_of_our_own_runs_heads_are_taken_and_memories_are_not(tmp_path: Path) -> None:
    config = ObjectiveConfig(name="avid", **SMALL)  # type: ignore[arg-type]
    first = saved_run(tmp_path / "avid.pt", config)
    second = Learner(TINY_ENCODERS, config, seed=0)
    second.objective.prepare(7, seed=0)
    memories = second.state_dict()["objective.memories.video.vectors"].clone()
    initialise(second, InitConfig(checkpoint=str(tmp_path / "avid.pt")))
    for key, value in first.named_parameters():
        assert second.state_dict()[key].equal(value), key
    assert second.state_dict()["objective.memories.video.vectors"].equal(memories)


def test_another_spectrogram_than_the_files_is_told(tmp_path: Path) -> None:
    saved_run(tmp_path / "run.pt", ObjectiveConfig(**SMALL))  # type: ignore[arg-type]
    for bands, told in ((80, False), (64, True)):
        encoders = replace(TINY_ENCODERS, log_mel=LogMelConfig(num_bands=bands))
        learner = Learner(encoders, ObjectiveConfig(**SMALL), seed=0)  # type: ignore[arg-type]
        report = initialise(learner, InitConfig(checkpoint=str(tmp_path / "run.pt")))
        assert ("another spectrogram" in report) == told
    assert "encoders.log_mel: num_bands 64 here, 80 there" in report


def test_a_run_starts_from_them_once(
    small_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A new run does; one that continues has no need of the file."""
    file = tmp_path / "first.pt"
    first = saved_run(file, ObjectiveConfig(**SMALL))  # type: ignore[arg-type]
    init = InitConfig(checkpoint=str(file))
    config = tiny_run(small_root, tmp_path / "run", num_epochs=1, init=init)
    alone = Ranks(0, 1, torch.device("cpu"))
    trainer = Trainer(config, alone)
    key = "video.conv1.0.weight"
    assert trainer.learner.encoders.state_dict()[key].equal(first.encoders.state_dict()[key])
    assert "init.checkpoint: " in capsys.readouterr().out
    trainer.save()
    file.unlink()
    Trainer(replace(config), alone)
    assert "continuing from" in capsys.readouterr().out


def test_one_beginning_only() -> None:
    with pytest.raises(ValueError, match="one of avid, replai and checkpoint"):
        InitConfig(avid="a", replai="b")
