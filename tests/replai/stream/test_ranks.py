"""Ranks and workers change nothing: each rank is a process, with worker processes of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from replai.stream.sampling import At, SamplingConfig
from tests.replai.stream.small import VIEWS
from tests.replai.stream.streams import RankProcesses, assert_equal, gathered, make_stream

GRID = [(world_size, workers) for world_size in (1, 2, 4) for workers in (0, 1, 3)]
COVERING = {
    "num_epochs": None,
    "augment": False,
    "views": VIEWS[:1],
    "sampling": SamplingConfig(at=At.actions),
}


@pytest.fixture(scope="module")
def ranks(small_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RankProcesses]:
    """Four, of which worlds of fewer take the first."""
    processes = RankProcesses(small_root, tmp_path_factory.mktemp("ranks"), 4)
    yield processes
    processes.close()


@pytest.fixture(scope="module")
def expected(small_root: Path) -> list[dict[str, Any]]:
    """All epochs, as one rank without workers reads them in this process."""
    return list(gathered([make_stream(small_root)]))


@pytest.fixture(scope="module")
def covered(small_root: Path) -> list[dict[str, Any]]:
    """The same of a probe's one pass."""
    return list(gathered([make_stream(small_root, **COVERING)]))


@pytest.mark.parametrize(("world_size", "workers"), GRID)
def test_the_same_global_batches(
    ranks: RankProcesses,
    expected: list[dict[str, Any]],
    world_size: int,
    workers: int,
) -> None:
    batches, state = ranks.read(world_size, workers)
    assert_equal(batches, expected)
    assert (state["epoch"], state["batch"]) == (expected[-1]["epoch"] + 1, 0)


@pytest.mark.parametrize(
    ("stop", "before", "after"),
    [(1, (4, 3), (1, 0)), (4, (2, 1), (4, 1)), (6, (1, 3), (2, 3)), (5, (4, 0), (2, 1))],
)
def test_others_go_on_with_the_very_next_batch(
    ranks: RankProcesses,
    expected: list[dict[str, Any]],
    stop: int,
    before: tuple[int, int],
    after: tuple[int, int],
) -> None:
    first, state = ranks.read(*before, stop=stop)
    per_epoch = sum(batch["epoch"] == 0 for batch in expected)
    assert (state["epoch"], state["batch"]) == divmod(stop, per_epoch)
    rest, _ = ranks.read(*after, state=state)
    assert_equal(first + rest, expected)


@pytest.mark.parametrize(("world_size", "workers"), [(2, 1), (4, 0)])
def test_a_probe_covers_everything_once(
    ranks: RankProcesses,
    covered: list[dict[str, Any]],
    world_size: int,
    workers: int,
) -> None:
    batches, _ = ranks.read(world_size, workers, **COVERING)
    assert_equal(batches, covered)
    positions = [p for b in batches for p in b["positions"][b["valid"]].tolist()]
    assert positions == list(range(len(positions)))
