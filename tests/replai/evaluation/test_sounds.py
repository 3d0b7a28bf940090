"""The audio probe, on a folder as ESC-50 is published: its list, and real WAV files."""

from __future__ import annotations

import csv
import io
import json
import wave
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from unittest import mock

import fsspec
import numpy as np
import pytest
import torch

from replai.checkpoint import save_checkpoint
from replai.core.config import config_dict
from replai.core.errors import UserError
from replai.evaluation import sounds
from replai.evaluation.config import (
    IntervalConfig,
    Method,
    PenaltyConfig,
    ProbeConfig,
    ScoringConfig,
    SoundsConfig,
)
from replai.evaluation.esc50 import read_esc50
from replai.evaluation.features import Features
from replai.evaluation.probe import run_probe
from replai.evaluation.sounds import evaluate_folds, sound_features
from replai.models import Encoders
from replai.stream.loader import Share
from tests.replai.evaluation.made_up import separable
from tests.replai.training.runs import TINY_ENCODERS

CPU = torch.device("cpu")
HEADER = ("filename", "fold", "target", "category", "esc10", "src_file", "take")
CLASSES = {3: "cow", 11: "sea_waves"}
SCORING = ScoringConfig(
    svm=PenaltyConfig(strengths=[0.01, 1.0]), interval=IntervalConfig(num_resamples=20)
)


def sound(target: int, draw: np.random.Generator) -> np.ndarray:
    """float [5 s of 44.1 kHz]: a tone, or noise; in both no two seconds are the same."""
    times = np.arange(5 * 44100) / 44100
    if target == 3:
        return np.sin(2 * np.pi * (draw.uniform(200, 300) + 40 * times) * times)
    return draw.normal(size=len(times)) * (0.2 + times / 10)


def wav(samples: np.ndarray) -> bytes:
    """16 bit, one channel, 44.1 kHz."""
    sink = io.BytesIO()
    with wave.open(sink, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(44100)
        file.writeframes((np.clip(0.3 * samples, -1, 1) * 32767).astype("<i2").tobytes())
    return sink.getvalue()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """5 folds; in each two originals of both classes, one of them cut into two takes."""
    root = tmp_path_factory.mktemp("esc") / "ESC-50-master"
    (root / "audio").mkdir(parents=True)
    (root / "meta").mkdir()
    draw, rows, original = np.random.default_rng(0), [], 100032
    for fold in range(1, 6):
        for target, category in CLASSES.items():
            for takes in ("A", "AB"):
                original += 1
                for take in takes:
                    name = f"{fold}-{original}-{take}-{target}.wav"
                    (root / "audio" / name).write_bytes(wav(sound(target, draw)))
                    rows.append((name, fold, target, category, "False", original, take))
    with (root / "meta" / "esc50.csv").open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([HEADER, *rows])
    return root


@pytest.fixture(scope="module")
def encoders() -> Mapping[str, Encoders]:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return {"one": Encoders(TINY_ENCODERS)}


def config(folder: Path, **changes: object) -> SoundsConfig:
    return replace(SoundsConfig(folder=str(folder), clips=4, batch_size=4), **changes)  # type: ignore[arg-type]


def test_clips_lie_evenly_from_the_first_to_the_last_second(
    folder: Path, encoders: Mapping[str, Encoders]
) -> None:
    recordings = read_esc50(str(folder))[:3]
    four = sound_features(encoders, recordings, config(folder), CPU)["one"]
    two = sound_features(encoders, recordings, config(folder, clips=2), CPU)["one"]
    assert four.values.shape == (3, 4, two.values.shape[2])
    torch.testing.assert_close(two.values, four.values[:, [0, 3]])
    assert not torch.allclose(four.values[:, 0], four.values[:, 1])
    assert four.origins.tolist() == [one.origin for one in recordings]
    assert (four.folds == 1).all()


def test_a_checkpoints_sounds_from_end_to_end(
    folder: Path, tmp_path: Path, encoders: Mapping[str, Encoders]
) -> None:
    checkpoint = str(tmp_path / "checkpoint.pt")
    told = {"encoders": config_dict(TINY_ENCODERS)}
    save_checkpoint(checkpoint, {"encoders": encoders["one"].state_dict(), "config": told})
    wanted = ProbeConfig(
        checkpoint=checkpoint, out=str(tmp_path), sounds=config(folder, clips=2), cpu_threads=1,
        svm=SCORING.svm, interval=SCORING.interval,
    )  # fmt: skip
    result = run_probe(wanted, CPU)
    assert list(result) == ["trained", "random"]
    fields = json.loads(json.dumps(result["trained"].to_fields()))
    assert fields["sound_top1"] > 90 and fields["sound_top5"] == 100
    assert {one["name"] for one in fields["classes"]["sound"]} == set(CLASSES.values())
    told = fields["protocol"]["sounds"]
    assert (told["clips"], told["num_sounds"], told["interval"]["num_groups"]) == (2, 30, 20)
    assert [(fold["num_train"], fold["num_test"]) for fold in told["folds"].values()] == [
        (24, 6)
    ] * 5
    assert all(fold["C"]["sound"] in SCORING.svm.strengths for fold in told["folds"].values())


def made_up(folds: list[int]) -> Features:
    whole = separable(len(folds), 0, num_views=2)
    return replace(whole, labels=whole.labels[:, :1], tasks=whole.tasks[:1], folds=np.array(folds))


def test_each_fold_is_tested_by_what_the_others_taught_and_folds_count_alike() -> None:
    """A small fold with all labels turned is told wrongly, and teaches the others little."""
    features = made_up([0] * 90 + [1] * 90 + [2] * 30)
    labels = features.labels.clone()
    labels[180:] = (labels[180:] + 1) % 3
    found = evaluate_folds(replace(features, labels=labels), Method.svm, SCORING, seed=0)
    assert found.figures["verb_top1"].percent == pytest.approx(100 * 2 / 3, abs=2)


def test_a_damaged_sound_is_left_out_and_named(
    folder: Path, tmp_path: Path, encoders: Mapping[str, Encoders]
) -> None:
    recordings = read_esc50(str(folder))[:5]
    (tmp_path / "bad.wav").write_bytes(b"RIFF no sound")
    recordings[1] = replace(recordings[1], url=str(tmp_path / "bad.wav"))
    quarantine = tmp_path / "quarantine.jsonl"
    found = sound_features(encoders, recordings, config(folder), CPU, quarantine=quarantine)["one"]
    assert (len(found), found.num_left_out, len(found.folds)) == (4, 1, 4)
    assert json.loads(quarantine.read_text())["key"] == "bad.wav"
    assert found.origins.tolist() == [recordings[i].origin for i in (0, 2, 3, 4)]


def test_what_is_missing_or_wrong_is_one_line(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no such file.*meta/esc50\.csv"):
        read_esc50(str(tmp_path))
    good = "1-1-A-0.wav,1,0,dog,True,1,A"
    for rows, says in (
        (["1-1-A-0.wav,one,0,dog,True,1,A"], r"esc50\.csv line 2: fold is 'one'"),
        (["../x.wav,1,0,dog,True,1,A"], r"esc50\.csv line 2: '\.\./x\.wav' is no file name"),
        ([good, good], "has 1 folds; at least 2"),
        ([good, "2-1-B-0.wav,2,0,dog,True,1,B"], "original '1' are in folds 1 and 2"),
    ):
        with fsspec.open("memory://esc/meta/esc50.csv", "wt") as file:
            file.write("\n".join([",".join(HEADER), *rows]) + "\n")
        with pytest.raises(UserError, match=says):
            read_esc50("memory://esc")
    encoder = {"one": Encoders(TINY_ENCODERS)}
    gone = replace(read_esc50(str(folder))[0], url=str(tmp_path / "gone.wav"))
    with pytest.raises(UserError, match=r"no such file.*gone\.wav"):
        sound_features(encoder, [gone], config(folder), CPU)


def test_a_probe_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match=r"train_root and test_root \(actions\), sounds\.folder"):
        ProbeConfig(checkpoint="c", out="o")
    with pytest.raises(ValueError, match="or neither"):
        ProbeConfig(checkpoint="c", out="o", train_root="r")


def test_ranks_bear_bad_sounds_as_one_does(folder: Path, encoders: Mapping[str, Encoders]) -> None:
    """Few for each rank are few draws: the budget of one is told how many ranks there are."""
    recordings = read_esc50(str(folder))
    with (
        mock.patch.object(sounds, "Quarantine", side_effect=InterruptedError) as made,
        mock.patch.object(sounds, "Collected"),
        pytest.raises(InterruptedError),
    ):
        sound_features(encoders, recordings, config(folder), CPU, Share(rank=0, world_size=2))
    _, of_each, _, world_size = made.call_args.args
    assert (of_each, world_size) == (len(recordings) // 2, 2)
