"""Steps that are computed in different ways and must come out alike; steps that must not wait."""

from dataclasses import replace
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from replai.core.errors import UserError
from replai.models import AudioEncoderConfig, EncodersConfig, VideoEncoderConfig
from replai.models.norms import Norm
from replai.training.average import average_decay
from replai.training.compute import (
    ComputeConfig,
    Precision,
    refuse_single_moments,
    refuse_uneven_parts,
)
from replai.training.learner import Learner
from replai.training.optim import Algorithm, OptimConfig
from replai.training.ranks import Ranks
from replai.training.stepper import Stepper
from tests.replai.objectives.small import NUM_ITEMS, small_batch, small_config, small_rows

ALONE = Ranks(0, 1, torch.device("cpu"))
MOMENTS = 6
OPTIM = OptimConfig(learning_rate=0.05, clip_norm=1.0)


def stepper(
    compute: ComputeConfig | None = None,
    optim: OptimConfig = OPTIM,
    norm: Norm = "group",
    name: str = "replai",
    ranks: Ranks = ALONE,
) -> Stepper:
    encoders = EncodersConfig(
        video=VideoEncoderConfig(width=2, blocks=(1, 1, 1, 1), norm=norm),
        audio=AudioEncoderConfig(width=2, norm=norm),
    )
    learner = Learner(encoders, small_config(name=name), seed=0)
    learner.objective.prepare(NUM_ITEMS, seed=0)
    return Stepper(learner, compute or ComputeConfig(), optim, ranks, num_steps=10)


def losses(steps: Stepper, count: int = 2) -> Tensor:
    """Of `count` steps, each on another batch."""
    made = [steps(small_batch(MOMENTS, seed), small_rows(MOMENTS, seed)) for seed in range(count)]
    return torch.stack([output.total.detach() for output, _ in made])


@pytest.mark.parametrize("name", ["replai", "avid"])
@pytest.mark.parametrize(
    "compute",
    [
        ComputeConfig(micro_batches=3),
        ComputeConfig(micro_batches=2, checkpoint_activations=True),
        ComputeConfig(channels_last=False),
    ],
    ids=["parts", "parts of recomputed stages", "channels first"],
)
def test_every_way_to_compute_makes_the_same_steps(compute: ComputeConfig, name: str) -> None:
    """Parts, too, contrast all moments: their loss is not a mean over smaller contrasts."""
    plain, other = stepper(name=name), stepper(compute, name=name)
    torch.testing.assert_close(losses(other), losses(plain), rtol=1e-5, atol=1e-5)
    theirs = dict(other.learner.named_parameters())
    for key, value in plain.learner.named_parameters():
        torch.testing.assert_close(theirs[key], value, rtol=1e-4, atol=1e-5, msg=key)


def test_compiled_encoders_make_the_same_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the backend that captures forward and backward, and writes no code of its own: as
    Inductor takes minutes."""
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="aot_eager"))
    plain, compiled = stepper(norm="batch"), stepper(ComputeConfig(compile=True), norm="batch")
    torch.testing.assert_close(losses(compiled), losses(plain), rtol=1e-5, atol=1e-5)
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] >= 2


def test_bfloat16_is_near() -> None:
    reduced = stepper(ComputeConfig(precision=Precision.bfloat16))
    torch.testing.assert_close(losses(reduced), losses(stepper()), rtol=0.05, atol=0.05)


def test_channels_last_holds_for_weights_and_for_momenta_of_any_checkpoint() -> None:
    first, last = stepper(ComputeConfig(channels_last=False)), stepper()
    losses(first, 1)
    with first.saved() as state:
        last.load(state)
    weight = last.learner.encoders.video.conv1[0].weight  # type: ignore[index]
    assert weight.is_contiguous(memory_format=torch.channels_last_3d)
    assert last.optimizer.state[weight]["momentum_buffer"].stride() == weight.stride()
    torch.testing.assert_close(losses(last), losses(first), rtol=1e-5, atol=1e-5)


class Waits(TorchDispatchMode):
    """Counts what a host would wait for a GPU with: a number read, a shape that depends on one."""

    FORBIDDEN = ("_local_scalar_dense", "nonzero", "equal", "masked_select", "unique")

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if func.overloadpacket.__name__ in self.FORBIDDEN:
            self.found.append(str(func))
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("name", ["replai", "avid"])
def test_a_step_never_waits_for_its_results(name: str) -> None:
    steps = stepper(
        ComputeConfig(micro_batches=2), replace(OPTIM, average_decay=0.9), "batch", name
    )
    losses(steps, 1)  # AVID looks once whether its partition is known
    with Waits() as waits:
        losses(steps)
    assert waits.found == []
    with Waits() as waits:
        steps.is_finite()
    assert waits.found == ["aten._local_scalar_dense.default"]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("name", ["replai", "avid"])
def test_a_step_on_a_gpu_never_waits(name: str) -> None:
    device = torch.device("cuda")
    ranks = Ranks(0, 1, device)
    steps = stepper(optim=replace(OPTIM, average_decay=0.9), norm="batch", name=name, ranks=ranks)
    views = {name: view.to(device) for name, view in small_batch(MOMENTS).items()}
    rows = replace(small_rows(MOMENTS), items=small_rows(MOMENTS).items.to(device))
    steps(views, rows)  # kernels are chosen
    torch.cuda.set_sync_debug_mode("error")
    try:
        steps(views, rows)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert steps.is_finite()


def test_a_step_draws_nothing_from_torchs_generator() -> None:
    steps = stepper(ComputeConfig(micro_batches=2))
    before = torch.get_rng_state()
    losses(steps, 1)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("algorithm", Algorithm)
def test_the_average_is_that_of_the_weights_of_all_steps(algorithm: Algorithm) -> None:
    steps = stepper(optim=replace(OPTIM, algorithm=algorithm, average_decay=0.6), norm="batch")
    key = "encoders.video.conv1.1.running_mean"
    values = [steps.learner.state_dict()[key].clone()]
    for _ in range(3):
        losses(steps, 1)
        values.append(steps.learner.state_dict()[key].clone())
    expected = values[0]
    for decay, value in zip((0.1, 2 / 11, 0.25), values[1:], strict=True):
        expected = decay * expected + (1 - decay) * value
    with steps.handed_on() as live:
        torch.testing.assert_close(steps.learner.state_dict()[key], expected)
        assert torch.equal(live[key], values[-1])
    assert torch.equal(steps.learner.state_dict()[key], values[-1])


def test_the_average_grows_slow_with_the_steps() -> None:
    assert [average_decay(step, 0.5) for step in (0, 8, 1000)] == [0.1, 0.5, 0.5]


def test_parts_that_do_not_divide_a_ranks_batch_are_refused() -> None:
    refuse_uneven_parts(ComputeConfig(micro_batches=4), 16, 2)
    with pytest.raises(UserError, match=r"micro_batches=3 does not divide the 8 moments"):
        refuse_uneven_parts(ComputeConfig(micro_batches=3), 16, 2)
    with pytest.raises(ValueError, match="micro_batches is 0"):
        ComputeConfig(micro_batches=0)


def test_features_of_one_moment_are_not_standardised() -> None:
    standardised, compute = EncodersConfig(standardise=True), ComputeConfig()
    refuse_single_moments(standardised, compute, 2, ALONE)
    refuse_single_moments(EncodersConfig(), compute, 1, ALONE)
    two, gpu = Ranks(0, 2, ALONE.device), Ranks(0, 2, torch.device("cuda"))
    refuse_single_moments(standardised, compute, 2, gpu)  # over both ranks
    apart = ComputeConfig(sync_batch_norm=False)
    for config, batch_size, ranks in ((compute, 1, ALONE), (compute, 2, two), (apart, 2, gpu)):
        with pytest.raises(UserError, match=r"standardise=true needs 2 moments or more on each"):
            refuse_single_moments(standardised, config, batch_size, ranks)
