"""`python -m replai.stream`: what it refuses, and what it says of a plan."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from replai.stream.__main__ import main


@pytest.mark.parametrize("option", ["--batch-size", "--batches"])
@pytest.mark.parametrize("number", ["0", "-4"])
def test_numbers_that_make_no_sense(
    option: str,
    number: str,
    small_root: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("sys.argv", ["stream", str(small_root), option, number, "--dry-run"])
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 2
    assert capsys.readouterr().err == f"error: {option} is {number}; it must be at least 1\n"


@pytest.mark.parametrize(("weights", "says"), [([], "each once"), (["9", "1"], "different ones")])
def test_a_plan_says_how_often_samples_come(
    weights: list[str],
    says: str,
    small_root: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    roots = [str(small_root), str(shutil.copytree(small_root, tmp_path / "twin"))]
    ranks = ["--world-size", "2", "--rank", "1"]
    options = ["--batch-size", "4", *ranks, "--dry-run"]
    options += ["--weights", *weights] if weights else []
    monkeypatch.setattr("sys.argv", ["stream", *roots, *options])
    main()
    told = capsys.readouterr().out
    assert says in told and ("each once" in told) == (not weights)
