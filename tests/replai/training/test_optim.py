import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from replai.training.optim import (
    Algorithm,
    OptimConfig,
    clip_gradient,
    learning_rate,
    load_optimizer,
    make_optimizer,
)

CPU = torch.device("cpu")
CONFIG = OptimConfig(learning_rate=0.1, warmup_fraction=0.1, final_fraction=0.01)


def test_the_rate_rises_to_its_peak_and_falls_to_its_end() -> None:
    rates = [learning_rate(step, 100, CONFIG) for step in range(100)]
    assert rates[:10] == sorted(rates[:10])
    assert rates[10] == pytest.approx(0.1)
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert rates[55] == pytest.approx(0.1 * (0.01 + 0.99 / 2))  # half a cosine at its middle
    assert rates[-1] == pytest.approx(0.001, rel=0.05)


@given(st.integers(1, 10_000), st.floats(0, 1), st.data())
def test_the_rate_is_positive_and_never_above_its_peak(
    num_steps: int, warmup: float, data: st.DataObject
) -> None:
    config = OptimConfig(learning_rate=0.1, warmup_fraction=warmup)
    step = data.draw(st.integers(0, num_steps - 1))
    assert 0 < learning_rate(step, num_steps, config) <= 0.1


def test_weight_decay_leaves_biases_and_norms_alone() -> None:
    module = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.BatchNorm1d(2))
    optimizer = make_optimizer(module, OptimConfig(weight_decay=0.5), CPU)
    decayed = [p.ndim for g in optimizer.param_groups if g["weight_decay"] for p in g["params"]]
    spared = [p.ndim for g in optimizer.param_groups if not g["weight_decay"] for p in g["params"]]
    assert (decayed, spared) == ([2], [1, 1, 1])


def test_sgd_is_the_papers() -> None:
    optimizer = make_optimizer(torch.nn.Linear(2, 2), OptimConfig(), CPU)
    assert isinstance(optimizer, torch.optim.SGD)
    assert optimizer.param_groups[0]["momentum"] == 0.9
    adam = make_optimizer(torch.nn.Linear(2, 2), OptimConfig(algorithm=Algorithm.adamw), CPU)
    assert isinstance(adam, torch.optim.AdamW)


@pytest.mark.parametrize("algorithm", Algorithm)
def test_fused_is_what_the_run_says_that_goes_on(algorithm: Algorithm) -> None:
    """Not what the run said that wrote the checkpoint, perhaps on a GPU."""
    before, after = (
        make_optimizer(torch.nn.Linear(2, 2), OptimConfig(algorithm=algorithm), CPU)
        for _ in range(2)
    )
    state = before.state_dict()
    for group in state["param_groups"]:
        group["fused"] = True
    load_optimizer(after, state)
    assert [group["fused"] for group in after.param_groups] == [None, None]


@pytest.mark.parametrize(
    "bad",
    [
        {"learning_rate": 0},
        {"learning_rate": math.inf},
        {"weight_decay": math.nan},
        {"momentum": 1.5},
        {"clip_norm": -1},
    ],
)
def test_nonsense_is_refused(bad: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(bad))):
        OptimConfig(**bad)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("clip_norm", "after"), [(1.0, [0.6, 0.8]), (0.0, [3.0, 4.0]), (9.0, [3.0, 4.0])]
)
def test_the_gradient_is_clipped_to_its_norm(clip_norm: float, after: list[float]) -> None:
    one, other, still = (torch.nn.Parameter(torch.zeros(())) for _ in range(3))
    one.grad, other.grad = torch.tensor(3.0), torch.tensor(4.0)
    norm = clip_gradient([one, other, still], clip_norm)
    assert norm.item() == pytest.approx(5.0), "that of before"
    assert [one.grad.item(), other.grad.item()] == pytest.approx(after, rel=1e-5)
    assert still.grad is None
