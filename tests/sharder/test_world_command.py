"""`sharder world`: made once, refused over another."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pytest

from sharder.world import settings_of
from tests.sharder.command import files_below
from tests.sharder.conftest import Run

SMALL = ("--train-videos", "1", "--test-videos", "1", "--seconds", "4", "--workers", "1")


def test_a_world_is_made_once(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "world"
    made = run("world", "-o", folder, *SMALL)
    assert (made.code, len(made.lines)) == (0, 1)
    files = files_below(folder)
    assert {"train.csv", "test.csv", "world.json"} <= set(files)
    assert json.loads(files["world.json"])["finished"] is True
    again = run("world", "-o", folder, *SMALL)
    assert (again.code, len(again.lines)) == (0, 1)
    assert "nothing to do" in again.text
    other = run("world", "-o", folder, *SMALL, "--seed", "1")
    assert (other.code, len(other.lines)) == (2, 1)
    assert "other settings" in other.text
    assert files_below(folder) == files


def test_a_harder_world_and_single_settings(run: Run, tmp_path: Path) -> None:
    harder = ("--difficulty", "medium", "--set", "clutter=2", "--set", "fps=8", *SMALL)
    assert run("world", "-o", tmp_path / "world", *harder).code == 0
    settings = json.loads((tmp_path / "world" / "world.json").read_text())["settings"]
    assert (settings["clutter"], settings["fps"], settings["coupling"]) == (2, 8, 1.0)
    assert run("world", "-o", tmp_path / "world", *SMALL).code == 2


def test_a_world_of_before_there_were_difficulties_is_known(run: Run, tmp_path: Path) -> None:
    settings = asdict(settings_of("easy", num_train_videos=1))
    kept = {name: settings[name] for name in ("num_train_videos", "width", "seed", "snr_db")}
    (tmp_path / "world.json").write_text(json.dumps({"finished": True, "settings": kept}))
    said = run("world", "-o", tmp_path, "--train-videos", "1")
    assert (said.code, "nothing to do" in said.text) == (0, True)
    assert run("world", "-o", tmp_path, "--train-videos", "1", "--set", "clutter=1").code == 2


def test_an_unfinished_world_is_made_anew(run: Run, tmp_path: Path) -> None:
    assert run("world", "-o", tmp_path / "world", *SMALL).code == 0
    whole = files_below(tmp_path / "world")
    settings = json.loads(whole["world.json"])
    (tmp_path / "world" / "world.json").write_text(json.dumps({**settings, "finished": False}))
    (tmp_path / "world" / "train.csv").unlink()
    assert run("world", "-o", tmp_path / "world", *SMALL).code == 0
    assert files_below(tmp_path / "world") == whole


@pytest.mark.parametrize("text", ["{}", "[1]", "no JSON", '{"finished": true, "settings": 3}'])
def test_a_strangers_world_is_refused(run: Run, tmp_path: Path, text: str) -> None:
    (tmp_path / "world.json").write_text(text)
    outcome = run("world", "-o", tmp_path)
    assert outcome.code == 2
    assert "world.json is not of `sharder world`" in outcome.text
    assert (tmp_path / "world.json").read_text() == text
