"""The rows' runs: equal budgets, each from what it should start from, nothing made twice."""

import json
from dataclasses import replace
from pathlib import Path
from unittest import mock

import pytest

from replai.core.config import load_config
from replai.core.errors import UserError
from replai.evaluation.config import ProbeConfig
from replai.report.table1 import TABLE
from replai.training.config import RunConfig
from tools import steps, table1
from tools.steps import Steps
from tools.table1 import METRICS, PRESETS, ROWS, Preset

FOLDERS = sorted(path for path in PRESETS.iterdir() if path.is_dir())
TRAINED = [name for name in ROWS if name != "start"]
FIGURES = dict.fromkeys(METRICS, 50.0)


class Commands:
    """In place of `Steps`: notes the commands; a probe writes figures."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, ...]] = []

    def run(self, *command: str) -> None:
        self.seen.append(command)
        if "probe.py" in command:
            out = Path(value(command, "out"))
            out.mkdir(parents=True, exist_ok=True)
            (out / "new").write_text(json.dumps({"trained": FIGURES, "random": FIGURES}))
            (out / "new").rename(out / "probe.json")

    @property
    def trained(self) -> dict[str, tuple[str, ...]]:
        """SEED/ROW -> command, of training runs."""
        runs = [command for command in self.seen if "train.py" in command]
        return {"/".join(Path(value(run, "out")).parts[-2:]): run for run in runs}

    @property
    def probes(self) -> list[tuple[str, ...]]:
        """The probes' commands."""
        return [command for command in self.seen if "probe.py" in command]


def value(command: tuple[str, ...], key: str) -> str:
    """Of `key=value` among the arguments; empty if it is not there."""
    return next((word[len(key) + 1 :] for word in command if word.startswith(f"{key}=")), "")


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> Commands:
    noted = Commands()
    monkeypatch.setattr(table1, "Steps", lambda *_: noted)
    return noted


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_presets_can_be_read_and_give_each_row_one_budget(folder: Path) -> None:
    preset = load_config(Preset, folder / "preset.yaml")
    assert len(preset.seeds) >= 3
    runs = [
        load_config(RunConfig, folder / f"{name}.yaml", ["out=run", "data.root=/data"])
        for name in ("pretraining", "avid", "replai")
    ]
    assert len({(run.batch_size, run.encoders, run.data.crop) for run in runs}) == 1
    load_config(
        ProbeConfig, folder / "probe.yaml", ["checkpoint=c", "out=o", "train_root=a", "test_root=b"]
    )


def test_all_rows_of_all_seeds(tmp_path: Path, commands: Commands) -> None:
    table1.run_table1("cpu", tmp_path / "runs", tmp_path / "results", "make table1")
    preset = load_config(Preset, PRESETS / "cpu" / "preset.yaml")
    trained = commands.trained
    assert len(trained) == len(preset.seeds) * (1 + len(TRAINED))
    probed = {value(run, "out"): value(run, "checkpoint") for run in commands.probes}
    assert len(probed) == len(preset.seeds) * len(ROWS)
    for seed in preset.seeds:
        start = f"{tmp_path}/runs/seed{seed}/pretraining/checkpoint.pt"
        assert probed[f"{tmp_path}/runs/seed{seed}/start"] == start
        for name in TRAINED:
            out = f"{tmp_path}/runs/seed{seed}/{name}"
            assert probed[out] == f"{out}/checkpoint.pt"
            run = trained[f"seed{seed}/{name}"]
            assert value(run, "max_steps") == str(preset.row_steps)
            assert value(run, "seed") == str(seed)
            assert value(run, "init.checkpoint") == ("" if name == "scratch" else start)
            assert value(run, "data.root") == f"{tmp_path}/runs/seed{seed}/data/train"
        first = trained[f"seed{seed}/pretraining"]
        assert value(first, "max_steps") == str(preset.pretraining_steps)
        assert value(first, "data.root") == f"{tmp_path}/runs/seed{seed}/clips/data/train"
        assert not value(first, "init.checkpoint")
    told = json.loads((tmp_path / "results" / "table1.json").read_text())
    assert set(told["rows"]) == set(TABLE)
    assert all(len(told["rows"][row]["verb_top1"]) == len(preset.seeds) for row in TABLE)
    before = len(commands.seen)
    table1.run_table1("cpu", tmp_path / "runs", tmp_path / "results", "make table1")
    assert len(commands.seen) == before


@pytest.mark.parametrize("jobs", [1, 2, 5])
def test_runs_side_by_side_make_the_same(
    tmp_path: Path, commands: Commands, monkeypatch: pytest.MonkeyPatch, jobs: int
) -> None:
    read = table1.load_config

    def with_jobs(cls: type[Preset], path: Path) -> Preset:
        return replace(read(cls, path), jobs=jobs)

    monkeypatch.setattr(table1, "load_config", with_jobs)
    table1.run_table1("cpu", tmp_path / "runs", tmp_path / "results", "make table1")
    trained = list(commands.trained)
    assert len(trained) == len(set(trained)) == 3 * (1 + len(TRAINED))
    for seed in (0, 1, 2):
        first = trained.index(f"seed{seed}/pretraining")
        assert all(first < trained.index(f"seed{seed}/{row}") for row in TRAINED)


def test_a_step_that_fails_ends_all_and_names_its_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(steps, "BIN", Path("/bin"))
    failing = Steps("table 1", {}, tmp_path / "seed0" / "avid.log")
    failing.run("echo", "all is well")
    with pytest.raises(UserError, match=r"exit code 1 of `false`; see .*/seed0/avid\.log"):
        failing.run("false")
    assert (tmp_path / "seed0" / "avid.log").read_text() == "all is well\n"


def test_results_stay_until_a_seed_is_whole(
    tmp_path: Path, commands: Commands, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A table of before is not replaced by an empty one."""
    (tmp_path / "table1.json").write_text("before")
    run = commands.run

    def failing(*command: str) -> None:
        if value(command, "out").endswith("seed0/wo_moi"):
            assert (tmp_path / "table1.json").read_text() == "before"
            raise UserError("stopped")
        run(*command)

    monkeypatch.setattr(commands, "run", failing)
    with pytest.raises(UserError, match="stopped"):
        table1.run_table1("cpu", tmp_path / "runs", tmp_path, "make table1")


def test_a_probe_of_before_a_metric_is_made_again(tmp_path: Path, commands: Commands) -> None:
    table1.run_table1("cpu", tmp_path / "runs", tmp_path / "results", "make table1")
    old = {"trained": {"verb_top1": 50.0}, "random": {"verb_top1": 50.0}}
    (tmp_path / "runs" / "seed0" / "wo_avc" / "probe.json").write_text(json.dumps(old))
    commands.seen.clear()
    table1.run_table1("cpu", tmp_path / "runs", tmp_path / "results", "make table1")
    assert [value(command, "out") for command in commands.probes] == [
        f"{tmp_path}/runs/seed0/wo_avc"
    ]


def test_a_row_that_an_older_folder_lacks_is_made_and_no_other(
    tmp_path: Path, commands: Commands
) -> None:
    table1.run_table1("cpu", tmp_path / "runs", tmp_path / "results", "make table1")
    for seed in (0, 1, 2):
        (tmp_path / "runs" / f"seed{seed}" / "start" / "probe.json").unlink()
    commands.seen.clear()
    table1.run_table1("cpu", tmp_path / "runs", tmp_path / "results", "make table1")
    made = [value(command, "out") for command in commands.probes]
    assert made == [f"{tmp_path}/runs/seed{seed}/start" for seed in (0, 1, 2)]
    assert not any(name.endswith(tuple(f"/{row}" for row in TRAINED)) for name in commands.trained)
    assert "start" in json.loads((tmp_path / "results" / "table1.json").read_text())["rows"]


def test_more_seeds_and_jobs_are_no_other_settings(tmp_path: Path, commands: Commands) -> None:
    table1.run_table1("cpu", tmp_path / "runs", tmp_path / "results", "make table1")
    kept = tmp_path / "runs" / "settings" / "preset.yaml"
    assert "seeds: [0, 1, 2]\n" in kept.read_text()
    kept.write_text("# another word\n" + kept.read_text().replace("[0, 1, 2]", "[0]\njobs: 2"))
    commands.seen.clear()
    table1.run_table1("cpu", tmp_path / "runs", tmp_path / "results", "make table1")
    assert not commands.seen


def test_a_kill_while_settings_are_kept_leaves_a_folder_that_can_be_used(
    tmp_path: Path, commands: Commands, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(Path, "rename", mock.Mock(side_effect=KeyboardInterrupt))
        table1.run_table1("cpu", tmp_path / "runs", tmp_path / "results", "make table1")
    table1.run_table1("cpu", tmp_path / "runs", tmp_path / "results", "make table1")
    assert commands.trained


def test_runs_of_other_settings_are_refused(tmp_path: Path, commands: Commands) -> None:
    table1.run_table1("cpu", tmp_path / "runs", tmp_path / "results", "make table1")
    (tmp_path / "runs" / "settings" / "replai.yaml").write_text("batch_size: 7\n")
    with pytest.raises(UserError, match="runs of other settings"):
        table1.run_table1("cpu", tmp_path / "runs", tmp_path / "results", "make table1")
