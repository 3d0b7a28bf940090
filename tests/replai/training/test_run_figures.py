"""What a run tells of its stream: in metrics.jsonl, on TensorBoard, and at its end."""

import contextlib
import io
import re
import shutil
import time
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace

import fsspec
import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from replai.core.index import open_index
from replai.report.plots import CURVE_PANELS
from replai.stream.cache import CacheConfig
from replai.stream.loader import StreamConfig
from replai.stream.retry import RetryConfig
from replai.training.metrics import METRICS_NAME, read_metrics
from replai.training.ranks import Ranks
from replai.training.trainer import Trainer
from tests.replai.stream.test_loader import damage
from tests.replai.training.runs import tiny_run

ALONE = Ranks(0, 1, torch.device("cpu"))
STREAM = {
    "stream/megabytes_per_second", "stream/read_seconds_p50", "stream/read_seconds_p99",
    "stream/reads_under_way", "stream/batches_ready", "stream/requests", "stream/retries",
    "stream/cache_hit_share", "stream/spares", "wait_share",
}  # fmt: skip


@dataclass(frozen=True)
class Ended:
    """A run that has ended: its folder, and what it printed."""

    folder: Path
    said: str


@pytest.fixture(scope="module")
def ended_run(small_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Ended:
    """Two epochs from a store that is not this machine's, with a cache and one bad sample."""
    folder = tmp_path_factory.mktemp("figures")
    config = tiny_run(bad_copy(small_root, folder), folder / "run", num_epochs=2)
    stream = StreamConfig(
        num_workers=0,
        megabytes_in_flight=1,  # or the second epoch is asked for before the first is kept
        cache=CacheConfig(folder=str(folder / "cache")),
        retry=RetryConfig(first_wait_seconds=0.01),
    )
    config = replace(config, data=replace(config.data, stream=stream))
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        Trainer(config, ALONE).train()
    return Ended(config.folder, said.getvalue())


def bad_copy(root: Path, folder: Path) -> str:
    """URL of a dataset like `root`, in which one sample is damaged."""
    copy = Path(shutil.copytree(root, folder / "root"))
    damage(copy, open_index(str(copy)).table["key"][0].as_py())
    url = f"memory:/{folder}/root"
    fsspec.filesystem("memory").put(str(copy), url, recursive=True)
    return url


def test_the_report_draws_what_a_run_writes(ended_run: Ended) -> None:
    """A panel of a name that no run writes would stay empty."""
    written = set().union(*read_metrics(ended_run.folder / METRICS_NAME))
    drawn = {name for _, names in CURVE_PANELS for name in names}
    assert drawn - written == {"avid_cross", "avid_self"}, "which RepLAI has not"


def test_every_logged_step_has_the_streams_figures(ended_run: Ended) -> None:
    rows = read_metrics(ended_run.folder / METRICS_NAME)
    assert len(rows) > 10
    assert all(row.keys() >= STREAM for row in rows)
    first, last = rows[0], rows[-1]
    assert first["stream/megabytes_per_second"] > 0
    assert 0 < first["stream/read_seconds_p50"] <= first["stream/read_seconds_p99"]
    assert first["stream/reads_under_way"] > 0
    assert all(0 < row["wait_share"] <= 1 and row["stream/batches_ready"] >= 0 for row in rows)
    assert first["stream/cache_hit_share"] == 0 and last["stream/cache_hit_share"] > 0
    for epoch in (0, 1):  # the damaged sample is met once in each
        met = [row for row in rows if row["epoch"] == epoch]
        assert sum(row["stream/spares"] for row in met) == 1
        assert sum(row["stream/retries"] for row in met) >= 1


def test_tensorboard_has_the_same_figures(ended_run: Ended) -> None:
    board = EventAccumulator(str(ended_run.folder), {"scalars": 0}).Reload()
    expected: dict[str, list[tuple[int, float]]] = {}
    for row in read_metrics(ended_run.folder / METRICS_NAME):
        step = int(row.pop("step"))
        for name, value in row.items():
            expected.setdefault(name, []).append((step, pytest.approx(value)))
    tags = board.Tags()["scalars"]
    assert {tag: [(e.step, e.value) for e in board.Scalars(tag)] for tag in tags} == expected


def test_a_run_ends_with_one_line_on_what_it_waited_for(ended_run: Ended) -> None:
    lines = [line for line in ended_run.said.splitlines() if not line.startswith("step ")]
    told, bad = lines
    assert re.fullmatch(r"the trainer waited \d+\.\d% of the time for data; .+", told)
    assert bad.startswith("2 bad samples of rank 0 had spares; ")


def test_the_share_of_waits_is_that_of_all_ranks(
    small_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def mean(_: Ranks, values: dict[str, torch.Tensor]) -> dict[str, float]:
        return {name: value.item() for name, value in values.items()} | {"wait_share": 0.125}

    monkeypatch.setattr(Ranks, "mean", mean)
    Trainer(tiny_run(small_root, tmp_path, max_steps=1), ALONE).train()
    (row,) = read_metrics(tmp_path / METRICS_NAME)
    assert row["wait_share"] == 0.125


def test_the_verdict_leaves_out_the_time_of_held_out_moments(
    small_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ahead = 0.0

    def validate(*_: object) -> dict[str, float]:
        nonlocal ahead
        ahead += 1e6
        return {}

    def verdict(_: object, elapsed_seconds: float, *rest: object) -> str:
        return f"elapsed {elapsed_seconds < 1e5}"

    clock = SimpleNamespace(perf_counter=lambda: time.perf_counter() + ahead)
    monkeypatch.setattr("replai.training.metrics.time", clock)
    monkeypatch.setattr("replai.training.trainer.verdict", verdict)
    monkeypatch.setattr(Trainer, "validate", validate)
    config = tiny_run(small_root, tmp_path, max_steps=2)
    config = replace(config, data=replace(config.data, validation_root=str(small_root)))
    told = io.StringIO()
    with contextlib.redirect_stdout(told):
        Trainer(config, ALONE).train()
    assert ahead == 1e6
    assert told.getvalue().splitlines()[-1] == "elapsed True"
