"""Two ranks with half the batch each give the loss and gradient of one with the whole batch."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from replai.objectives import AVIDConfig, ObjectiveOutput, Rows, make_objective
from replai.objectives.gather import gather_with_gradient, own_indices
from tests.replai.objectives.small import (
    NUM_ITEMS,
    small_batch,
    small_config,
    small_encoders,
    small_rows,
)

WORLD, BATCH = 2, 6
IN_PARTS = "in_parts"
"""Each rank's rows pass the encoders in three parts."""
RUNS = {
    "avc": {"name": "avc"},
    "astc": {"name": "astc"},
    "replai": {"name": "replai"},
    "without_astc": {"name": "replai", "astc_weight": 0.0},
    "avid": {"name": "avid", "avid": AVIDConfig(num_negatives=5, self_weight=1.0)},
    IN_PARTS: {"name": "replai"},
}


class Model(nn.Module):
    """Encoders and objective in one module, as DDP wants them."""

    def __init__(self, settings: dict[str, object]) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.encoders = small_encoders()
        self.objective = make_objective(small_config(**settings), self.encoders)
        self.objective.prepare(NUM_ITEMS, seed=0)

    def forward(self, inputs: dict[str, Tensor], rows: Rows) -> ObjectiveOutput:
        output: ObjectiveOutput = self.objective(self.encoders, inputs, rows)
        return output


def two_steps(model: nn.Module, of_batch: slice) -> dict[str, Tensor]:
    """Everything that ranks must agree on: the second step's loss, terms, metrics and gradients,
    and what the objective remembers.

    DDP's second step also raises if the first left a parameter out.
    """
    batch = {name: tensor[of_batch] for name, tensor in small_batch(BATCH).items()}
    for seed in (0, 1):
        rows = small_rows(BATCH, seed)
        rows = replace(rows, items=rows.items[of_batch], positions=rows.positions[of_batch])
        model.zero_grad()
        output = model(batch, rows)
        output.total.backward()
    gradients = {
        f"gradient of {name.removeprefix('module.')}": parameter.grad
        for name, parameter in model.named_parameters()
    }
    named = {name.removeprefix("module."): value for name, value in model.named_buffers()}
    state = {name: value for name, value in named.items() if name.startswith("objective.")}
    return {"total": output.total.detach(), **output.terms, **output.metrics, **gradients, **state}


def run_rank(rank: int, folder: str) -> None:
    torch.set_num_threads(1)
    init = f"file://{folder}/rendezvous"
    dist.init_process_group("gloo", init_method=init, rank=rank, world_size=WORLD)
    part = slice(rank * BATCH // WORLD, (rank + 1) * BATCH // WORLD)
    results = {}
    for run, settings in RUNS.items():
        model = Model(settings)
        model.encoders.num_parts = 3 if run == IN_PARTS else 1
        alike = [f"objective.{name}" for name in model.objective.replicated]
        DistributedDataParallel._set_params_and_buffers_to_ignore_for_model(model, alike)
        results[run] = two_steps(DistributedDataParallel(model), part)
    results["gather"] = gather_facts(rank)
    torch.save(results, f"{folder}/{rank}.pt")
    dist.destroy_process_group()


def gather_facts(rank: int) -> dict[str, Tensor]:
    """Rank r holds rows of r; its loss weighs gathered row j by (r + 1) * j."""
    rows = torch.full((2, 3), float(rank), requires_grad=True)
    gathered = gather_with_gradient(rows)
    (gathered[:, 0] * torch.arange(4.0) * (rank + 1)).sum().backward()
    assert rows.grad is not None
    return {"gathered": gathered.detach(), "gradient": rows.grad, "own": own_indices(rows)}


@pytest.fixture(scope="module")
def ranks(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, dict[str, Tensor]]]:
    folder: Path = tmp_path_factory.mktemp("ranks")
    torch.multiprocessing.spawn(run_rank, args=(str(folder),), nprocs=WORLD)
    return [torch.load(folder / f"{rank}.pt", weights_only=True) for rank in range(WORLD)]


@pytest.mark.parametrize("run", RUNS)
def test_two_ranks_equal_one(ranks: list[dict[str, dict[str, Tensor]]], run: str) -> None:
    whole = two_steps(Model(RUNS[run]), slice(0, BATCH))
    parts = [rank[run] for rank in ranks]
    assert all(part.keys() == whole.keys() for part in parts)
    for name, expected in whole.items():
        mean = torch.stack([part[name] for part in parts]).mean(dim=0)
        # Sums of large numbers of both signs: small ones among them are no more exact than these.
        atol = 1e-5 * max(1.0, float(expected.abs().max()))
        rtol = 1e-5 if name == "total" else 1e-4
        torch.testing.assert_close(mean, expected, rtol=rtol, atol=atol, msg=name)
    for name in whole:
        if name.startswith(("gradient", "objective")):  # averaged, or kept alike, already
            torch.testing.assert_close(parts[0][name], parts[1][name], rtol=0, atol=0)


def test_gather_has_order_and_gradient(ranks: list[dict[str, dict[str, Tensor]]]) -> None:
    for rank, facts in enumerate(part["gather"] for part in ranks):
        assert facts["gathered"][:, 0].tolist() == [0, 0, 1, 1]
        assert facts["own"].tolist() == [2 * rank, 2 * rank + 1]
        # row j counts (1 + 2) * j over both ranks' losses
        assert facts["gradient"][:, 0].tolist() == [6 * rank, 6 * rank + 3]


def test_one_process_gathers_itself() -> None:
    rows = torch.randn(3, 2)
    assert gather_with_gradient(rows) is rows
    assert own_indices(rows).tolist() == [0, 1, 2]
