from dataclasses import replace
from pathlib import Path

import pytest

from replai.core.config import load_config
from replai.core.errors import UserError
from replai.core.mixture import WeightedRoot
from replai.training.config import RunConfig

CONFIGS = Path(__file__).parents[3] / "configs"
GIVEN = ("out=run", "data.root=/data")


@pytest.mark.parametrize(
    "path",
    sorted([*CONFIGS.glob("*.yaml"), *CONFIGS.glob("ablations/*.yaml")]),
    ids=lambda path: path.stem,
)
def test_every_config_of_the_repository_can_be_read(path: Path) -> None:
    assert load_config(RunConfig, path, GIVEN).data.roots == [WeightedRoot(root="/data")]


def test_the_ablation_is_the_demo_but_for_the_head() -> None:
    demo, bare = (
        load_config(RunConfig, CONFIGS / name, GIVEN)
        for name in ("demo.yaml", "ablations/bare-difference.yaml")
    )
    assert bare == replace(demo, objective=replace(demo.objective, difference_head=False))


def test_one_dataset_or_several_but_never_both_or_none(tmp_path: Path) -> None:
    path = tmp_path / "mix.yaml"
    path.write_text("out: run\ndata:\n  mix: [{root: /a, weight: 2}, {root: /b, weight: 1}]\n")
    roots = load_config(RunConfig, path).data.roots
    assert [(one.root, one.weight) for one in roots] == [("/a", 2.0), ("/b", 1.0)]
    with pytest.raises(UserError, match=r"either data\.root"):
        load_config(RunConfig, path, ["data.root=/c"])
    path.write_text("out: run\n")
    with pytest.raises(UserError, match=r"either data\.root"):
        load_config(RunConfig, path)


def test_a_runs_folder_is_a_path() -> None:
    """A folder with a URL's name would be made here, and the run be lost with the machine."""
    with pytest.raises(UserError, match=r"out is empty; it must be the run's folder"):
        load_config(RunConfig, CONFIGS / "demo.yaml", ["out=''", "data.root=/data"])
    with pytest.raises(UserError, match=r"out is s3://bucket/run; .* a path, not a URL"):
        load_config(RunConfig, CONFIGS / "demo.yaml", ["out=s3://bucket/run", "data.root=/data"])


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ("objective.audio_seconds=.inf", r"audio_seconds=inf, must be > 0 and finite"),
        ("objective.clip_seconds=.nan", r"clip_seconds=nan, must be > 0 and finite"),
        ("rank_timeout_seconds=.inf", r"rank_timeout_seconds is inf; .* in \(0, 1e7\]"),
        ("seed=99999999999999999999", r"seed is 9{20}; it must be in \[0, 2\^63\)"),
    ],
)
def test_numbers_that_no_run_can_have_are_refused(override: str, says: str) -> None:
    with pytest.raises(UserError, match=says):
        load_config(RunConfig, CONFIGS / "demo.yaml", [*GIVEN, override])


def test_a_sound_shorter_than_a_window_is_refused() -> None:
    with pytest.raises(UserError, match=r"audio_seconds is 0\.01: 160 samples, .* window .* 512"):
        load_config(RunConfig, CONFIGS / "demo.yaml", [*GIVEN, "objective.audio_seconds=0.01"])
