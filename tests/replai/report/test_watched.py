"""Held-out moments that a run is watched on: written by validations, drawn from files alone."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure

from replai.core.config import config_yaml
from replai.core.errors import UserError
from replai.objectives import ObjectiveConfig
from replai.report.page import Inputs, write_report
from replai.report.plots import _curve
from replai.report.watched import (
    BACKWARD,
    FORWARD,
    SIMILAR,
    epoch_picture,
    nearest,
    probability_curves,
    shown_rows,
)
from replai.training.examples import Examples, read_examples, write_row
from replai.training.ranks import Ranks
from replai.training.trainer import Trainer
from tests.replai.training.runs import tiny_run

PNG = b"\x89PNG"


def examples(*rows: dict[str, Any]) -> Examples:
    """Of two moments."""
    clip = np.zeros((2, 3, 8, 8, 3), np.uint8)
    return Examples(
        clips={"video_before": clip, "video_after": clip},
        sounds=np.zeros((2, 10, 12), np.float32),
        titles=["one, 1.00 s", "US$_$, 2.00 s"],
        rows=list(rows),
    )


def test_a_run_keeps_its_moments_and_a_row_for_each_validation(
    small_root: Path, tmp_path: Path
) -> None:
    config = tiny_run(small_root, tmp_path, batch_size=4, num_epochs=2)
    config = replace(config, data=replace(config.data, validation_root=str(small_root)))
    Trainer(config, Ranks(0, 1, torch.device("cpu"))).train()
    found = read_examples(tmp_path)
    assert found is not None
    assert [row["epoch"] for row in found.rows] == [1, 2]
    assert {name: clip.shape for name, clip in found.clips.items()} == {
        "video_before": (4, 3, 32, 32, 3), "video_after": (4, 3, 32, 32, 3)
    }  # fmt: skip
    assert found.sounds.shape == (4, 80, 124)
    assert len(found.titles) == 4
    for row in found.rows:
        assert all(0 < value < 1 for value in [*row[FORWARD], *row[BACKWARD]])
        assert np.shape(row[SIMILAR]) == (4, 4)
    page = tmp_path / "page.html"
    write_report(Inputs(tmp_path, "", ""), str(page))
    text = page.read_text()
    assert text.count("<details") == 2 and text.count("<details open") == 1
    assert "after epoch 2" in text
    assert "on held-out videos, after step 8" in text


def test_rows_of_other_moments_are_dropped(small_root: Path, tmp_path: Path) -> None:
    """As when a run goes on with more ranks, and the first one has less of the first batch."""
    for batch_size, steps in ((4, [1]), (2, [2, 3])):
        config = tiny_run(small_root, tmp_path, batch_size=batch_size)
        config = replace(config, data=replace(config.data, validation_root=str(small_root)))
        trainer = Trainer(config, Ranks(0, 1, torch.device("cpu")))
        for trainer.stepper.step in steps:
            trainer.validate()
    found = read_examples(tmp_path)
    assert found is not None
    assert len(found.titles) == 2
    assert [len(row[FORWARD]) for row in found.rows] == [2, 2]


@pytest.mark.parametrize("name", ["examples.npz", "examples.jsonl"])
def test_damaged_files_are_told_and_written_anew(
    small_root: Path, tmp_path: Path, name: str
) -> None:
    config = tiny_run(small_root, tmp_path)
    config = replace(config, data=replace(config.data, validation_root=str(small_root)))
    trainer = Trainer(config, Ranks(0, 1, torch.device("cpu")))
    trainer.validate()
    whole = (tmp_path / name).read_bytes()
    for damaged in (whole[: len(whole) // 2], b"none of ours"):
        (tmp_path / name).write_bytes(damaged)
        with pytest.raises(UserError, match=r"examples.npz or examples.jsonl .* is damaged"):
            read_examples(tmp_path)
        trainer.validate()
        found = read_examples(tmp_path)
        assert found is not None and len(found.rows) == 1


def test_a_run_that_goes_back_drops_later_rows(tmp_path: Path) -> None:
    for step in (10, 20, 30, 20):
        write_row(tmp_path, step, step // 10, {FORWARD: torch.full((20,), step / 100)})
    rows = [json.loads(line) for line in (tmp_path / "examples.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [10, 20]
    assert rows[1][FORWARD] == pytest.approx([0.2] * 16)


def test_sounds_of_other_ranks_are_left_out(tmp_path: Path) -> None:
    """Of two ranks with two moments each the first one has the frames and sounds of its own."""
    write_row(tmp_path, 1, 1, {SIMILAR: torch.arange(8.0).reshape(2, 4)})
    (row,) = [json.loads(line) for line in (tmp_path / "examples.jsonl").read_text().splitlines()]
    assert row[SIMILAR] == [[0, 1], [4, 5]]


def test_nothing_is_there_before_the_first_validation(tmp_path: Path) -> None:
    assert read_examples(tmp_path) is None
    with pytest.raises(UserError, match="no such file"):
        write_report(Inputs(tmp_path, "", ""), f"{tmp_path}/page.html")


@pytest.mark.parametrize(("name", "says"), [("replai", "+0.6 s"), ("avid", "-0.6 to +0.6 s")])
def test_moments_are_those_that_the_objective_sees(
    small_root: Path, tmp_path: Path, name: str, says: str
) -> None:
    """A clip of AVID's may be longer than two of RepLAI's, before and after, would fit."""
    objective = ObjectiveConfig(name=name, clip_seconds=1.2 if name == "avid" else 0.5)
    config = replace(tiny_run(small_root, tmp_path), objective=objective)
    (tmp_path / "config.yaml").write_text(config_yaml(config))
    (tmp_path / "metrics.jsonl").touch()
    write_report(Inputs(tmp_path, "", str(small_root)), f"{tmp_path}/page.html")
    text = (tmp_path / "page.html").read_text()
    assert text.count("<img alt='moment of interaction") == 6 and says in text


def test_what_the_page_cannot_read_or_write_is_one_line(tmp_path: Path) -> None:
    config = tiny_run(Path("root"), tmp_path)
    (tmp_path / "config.yaml").write_text(config_yaml(config))
    (tmp_path / "metrics.jsonl").touch()
    for text in ("a: b", "[1]", "{}", '{"a": 1}', '{"trained": {}}'):
        (tmp_path / "probe").write_text(text)
        with pytest.raises(UserError, match=r"/probe is no probe\.json"):
            write_report(Inputs(tmp_path, f"{tmp_path}/probe", ""), f"{tmp_path}/page.html")
    with pytest.raises(UserError, match=r"metrics\.jsonl/page\.html"):
        write_report(Inputs(tmp_path, "", ""), f"{tmp_path}/metrics.jsonl/page.html")


def test_names_in_a_probes_file_are_text_on_the_page(tmp_path: Path) -> None:
    """It may be somebody else's: --probe takes URLs."""
    (tmp_path / "config.yaml").write_text(config_yaml(tiny_run(Path("root"), tmp_path)))
    (tmp_path / "metrics.jsonl").touch()
    name = "<script>alert(1)</script>_top1"
    fields = {name: 1.0, "intervals": {name: None}, "classes": {}, "protocol": {}}
    (tmp_path / "probe.json").write_text(json.dumps({"trained": fields, "<script>": fields}))
    write_report(Inputs(tmp_path, f"{tmp_path}/probe.json", ""), f"{tmp_path}/page.html")
    text = (tmp_path / "page.html").read_text()
    assert "<script" not in text and "&lt;script" in text


def test_one_logged_row_is_seen() -> None:
    axes = Figure().add_subplot()
    _curve(axes, [{"step": 1, "loss": 2.0}], "loss")
    assert [line.get_marker() for line in axes.lines] == ["o"]


def test_the_nearest_come_first_and_ties_keep_their_order() -> None:
    assert nearest([0.1, 0.9, 0.5, 0.9], 3) == [1, 3, 2]
    assert nearest([0.1], 3) == [0]


def test_the_first_and_the_last_epoch_are_shown() -> None:
    rows = [{"epoch": epoch} for epoch in range(1, 101)]
    assert [row["epoch"] for row in shown_rows(rows, 5)] == [1, 26, 51, 75, 100]
    assert shown_rows(rows[:2], 5) == rows[:2]
    assert shown_rows(rows, 1) == rows[-1:]
    assert shown_rows(rows, 1000) == rows


@pytest.mark.parametrize("told", [(FORWARD, BACKWARD), (SIMILAR,), (FORWARD, BACKWARD, SIMILAR)])
def test_what_an_objective_does_not_tell_is_left_out(told: tuple[str, ...]) -> None:
    values = {FORWARD: [0.9, 0.2], BACKWARD: [0.1, 0.8], SIMILAR: [[0.5, 0.1], [0.4, 0.3]]}
    row = {"step": 1, "epoch": 1, **{name: values[name] for name in told}}
    assert epoch_picture(examples(row), row).startswith(PNG)
    if FORWARD in told:
        assert probability_curves(examples(row, {**row, "epoch": 2})).startswith(PNG)
