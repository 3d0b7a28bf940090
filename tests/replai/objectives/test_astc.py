import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional

from replai.models import ProjectionHead
from replai.objectives.astc import AStC, StateChange, state_change
from replai.objectives.metrics import direction_accuracy
from replai.objectives.moment import MomentFeatures
from tests.reference import losses
from tests.replai.objectives.small import small_config, small_encoders


def embeddings(batch: int, dim: int, seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    rows = torch.randn(3, batch, dim, generator=generator, dtype=torch.float64)
    return rows[0], rows[1], rows[2]


def head(dim: int) -> nn.Module:
    torch.manual_seed(1)
    return ProjectionHead(dim, 16, dim).double()


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 9), st.integers(2, 7), st.sampled_from([0.2, 1.0]), st.booleans())
def test_loss_equals_oracle(batch: int, dim: int, temperature: float, with_head: bool) -> None:
    before, after, audio = embeddings(batch, dim)
    g = head(dim) if with_head else nn.Identity()
    change = state_change(before, after, audio, temperature, g)
    delta = after - before
    expected = losses.astc(g(delta).tolist(), g(-delta).tolist(), audio.tolist(), temperature)
    assert change.loss().item() == pytest.approx(expected, rel=1e-9)


def terms_and_gradients(g: nn.Module, seed: int) -> list[tuple[Tensor, tuple[Tensor, ...]]]:
    """Of Eq. 1's forward and backward term: its value for each moment, its sum's gradients."""
    rows = [x.requires_grad_() for x in embeddings(6, 5, seed)]
    change = state_change(*rows, 0.2, g)
    terms = (-change.forward_probability.log(), -(1 - change.backward_probability).log())
    return [(t.detach(), torch.autograd.grad(t.sum(), rows, retain_graph=True)) for t in terms]


@settings(max_examples=20)
@given(st.integers(0, 1000), st.booleans())
def test_with_an_odd_head_both_terms_are_one(seed: int, linear: bool) -> None:
    """The paper's bare difference, or any head with g(-x) = -g(x): one number, one gradient."""
    odd = nn.Linear(5, 5, bias=False).double() if linear else nn.Identity()
    (forward, its_gradients), (backward, other_gradients) = terms_and_gradients(odd, seed)
    torch.testing.assert_close(backward, forward)
    torch.testing.assert_close(other_gradients, its_gradients)


def test_with_the_released_head_the_terms_differ() -> None:
    (forward, its_gradients), (backward, other_gradients) = terms_and_gradients(head(5), seed=0)
    assert (forward - backward).abs().mean() > 0.1
    for one, other in zip(its_gradients, other_gradients, strict=True):
        assert functional.cosine_similarity(one.flatten(), other.flatten(), dim=0) < 0.9


def test_a_change_that_is_the_sound_costs_least() -> None:
    before, _, audio = embeddings(4, 3)
    change = state_change(before, before + audio, audio, 0.2, nn.Identity())
    least = 2 * math.log1p(math.exp(-1 / 0.2))
    assert change.loss().item() == pytest.approx(least)
    assert direction_accuracy(change.forward_logits, change.backward_logits) == 1


def test_reversed_time_costs_most() -> None:
    before, _, audio = embeddings(4, 3)
    change = state_change(before + audio, before, audio, 0.2, nn.Identity())
    assert change.loss().item() == pytest.approx(2 * math.log1p(math.exp(1 / 0.2)))
    assert direction_accuracy(change.forward_logits, change.backward_logits) == 0


def test_change_across_the_sound_is_chance() -> None:
    x, y = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 1.0]])
    change = state_change(torch.zeros(1, 2), x, y, 0.2, nn.Identity())
    assert change.loss().item() == pytest.approx(2 * math.log(2))
    assert direction_accuracy(change.forward_logits, change.backward_logits) == 0.5


def test_direction_accuracy_counts_ties_half() -> None:
    forward, backward = torch.tensor([1.0, 0.0, 2.0, -3.0]), torch.tensor([0.0, 0.0, 3.0, -4.0])
    assert direction_accuracy(forward, backward).item() == pytest.approx(2.5 / 4)


def test_loss_is_finite_where_probabilities_saturate() -> None:
    logits = torch.tensor([-1000.0, 1000.0], requires_grad=True)
    loss = StateChange(forward_logits=logits, backward_logits=-logits).loss()
    loss.backward()
    assert loss.item() == pytest.approx(1000)
    assert logits.grad is not None
    assert logits.grad.isfinite().all()


def test_gradient() -> None:
    rows = [x.requires_grad_() for x in embeddings(3, 4)]
    for g in (nn.Identity(), head(4)):
        assert torch.autograd.gradcheck(
            lambda b, a, s, g=g: state_change(b, a, s, 0.2, g).loss(), rows
        )


def test_equal_clips_have_a_bounded_gradient() -> None:
    clip = torch.randn(2, 5, requires_grad=True)
    change = state_change(clip, clip.detach(), torch.randn(2, 5), 0.2, nn.Identity())
    change.loss().backward()
    assert change.loss().item() == pytest.approx(2 * math.log(2))
    assert clip.grad is not None
    assert clip.grad.norm() < 1e5


@pytest.mark.parametrize("difference_head", [True, False])
def test_objective(difference_head: bool) -> None:
    torch.manual_seed(0)
    astc = AStC(small_config(difference_head=difference_head), small_encoders())
    before, after, audio = torch.randn(5, 16), torch.randn(5, 16), torch.randn(5, 24)
    out = astc.compare(MomentFeatures(before=before, after=after, audio=audio))
    delta, g = astc.video_head(after) - astc.video_head(before), astc.difference_head
    sound = astc.audio_head(audio).tolist()
    forward, backward = g(delta).tolist(), g(-delta).tolist()
    expected = losses.astc(forward, backward, sound, 0.2)
    wins = [
        losses.cosine(f, s) > losses.cosine(b, s)
        for f, b, s in zip(forward, backward, sound, strict=True)
    ]
    p = [losses.sigmoid(losses.cosine(f, s) / 0.2) for f, s in zip(forward, sound, strict=True)]
    q = [losses.sigmoid(losses.cosine(b, s) / 0.2) for b, s in zip(backward, sound, strict=True)]
    assert out.total.item() == pytest.approx(expected, rel=1e-4)
    assert out.terms["astc"].item() == out.total.item()
    assert out.metrics["direction_accuracy"].item() == pytest.approx(sum(wins) / 5)
    assert out.metrics["forward_probability"].item() == pytest.approx(sum(p) / 5, rel=1e-4)
    assert out.metrics["backward_probability"].item() == pytest.approx(sum(q) / 5, rel=1e-4)
    p_sum = out.metrics["forward_probability"] + out.metrics["backward_probability"]
    assert (p_sum.item() == pytest.approx(1, abs=1e-5)) == (not difference_head)
    assert any(name.startswith("difference_head") for name in astc.state_dict()) == difference_head


def test_heads_learn_a_batch_by_heart() -> None:
    torch.manual_seed(0)
    astc = AStC(small_config(), small_encoders())
    before, after, audio = torch.randn(6, 16), torch.randn(6, 16), torch.randn(6, 24)
    features = MomentFeatures(before=before, after=after, audio=audio)
    optimizer = torch.optim.Adam(astc.parameters(), lr=0.01)
    for _ in range(100):
        optimizer.zero_grad()
        out = astc.compare(features)
        out.total.backward()
        optimizer.step()
    assert out.total.item() < 0.1
    assert out.metrics["direction_accuracy"].item() == 1
