"""Held-out figures are those of the weights that the first rank hands on."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from torch import Tensor

from replai.training.compute import STATISTICS
from replai.training.feed import Placed
from replai.training.ranks import Ranks
from replai.training.stepper import Stepper
from replai.training.validation import held_out
from tests.replai.objectives.small import small_batch, small_rows
from tests.replai.training.test_stepper import MOMENTS, OPTIM, stepper

WORLD = 2
DECAYS = (0.0, 0.9)


def statistics(steps: Stepper) -> dict[str, Tensor]:
    """Of BatchNorm, as the learner holds them now."""
    named = steps.learner.named_buffers()
    return {name: buffer.clone() for name, buffer in named if name.endswith(STATISTICS)}


def look(rank: int, folder: str) -> None:
    """A step on this rank's own batch, and then a look at held-out moments, the same on both."""
    torch.set_num_threads(1)
    init = f"file://{folder}/rendezvous"
    dist.init_process_group("gloo", init_method=init, rank=rank, world_size=WORLD)
    ranks = Ranks(rank, WORLD, torch.device("cpu"))
    found = {}
    for decay in DECAYS:
        steps = stepper(optim=replace(OPTIM, average_decay=decay), norm="batch", ranks=ranks)
        steps(small_batch(MOMENTS, rank), small_rows(MOMENTS, rank))
        seen = []

        def batches(steps: Stepper = steps, seen: list[dict[str, Tensor]] = seen) -> Iterator:
            seen.append(statistics(steps))
            yield Placed(None, small_batch(MOMENTS), small_rows(MOMENTS))

        with steps.handed_on():
            own = statistics(steps)
        means = held_out(steps, batches()).means
        found[decay] = {"own": own, "seen": seen[0], "means": means}
    torch.save(found, f"{folder}/{rank}.pt")
    dist.destroy_process_group()


@pytest.fixture(scope="module")
def ranks(tmp_path_factory: pytest.TempPathFactory) -> list[dict]:
    folder: Path = tmp_path_factory.mktemp("ranks")
    torch.multiprocessing.spawn(look, args=(str(folder),), nprocs=WORLD)
    return [torch.load(folder / f"{rank}.pt", weights_only=True) for rank in range(WORLD)]


@pytest.mark.parametrize("decay", DECAYS)
def test_every_rank_looks_with_the_first_ones_statistics(ranks: list[dict], decay: float) -> None:
    first, second = (rank[decay] for rank in ranks)
    moved = [name for name in first["own"] if not name.endswith("num_batches_tracked")]
    assert moved
    for name in moved:
        assert not torch.equal(first["own"][name], second["own"][name]), "as after any step"
    for name, expected in first["own"].items():
        assert torch.equal(first["seen"][name], expected), name
        assert torch.equal(second["seen"][name], expected), name
    assert first["means"] == second["means"]
