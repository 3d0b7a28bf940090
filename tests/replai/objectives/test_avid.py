import math
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from replai.core.errors import UserError
from replai.objectives import AVIDConfig, ObjectiveConfig
from replai.objectives.avid import AUDIO, AVID, VIDEO
from replai.objectives.nce import log_mean_exp, nce
from replai.views import AudioView, VideoView
from tests.reference import losses
from tests.replai.objectives.small import (
    NUM_ITEMS,
    small_batch,
    small_config,
    small_encoders,
    small_rows,
)

KINDS = {"cross": (1.0, 0.0), "self": (0.0, 3.0), "joint": (2.0, 1.0)}


def scores(rows: int, negatives: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    both = 4 * torch.randn(rows, 1 + negatives, generator=generator, dtype=torch.float64)
    return both[:, 0], both[:, 1:]


def make(kind: str = "cross", **avid: Any) -> AVID:
    torch.manual_seed(0)
    cross, own = KINDS[kind]
    settings = AVIDConfig(num_negatives=5, cross_weight=cross, self_weight=own, **avid)
    objective = AVID(small_config(name="avid", avid=settings), small_encoders())
    objective.prepare(NUM_ITEMS, seed=3)
    return objective


def random_features(rows: int, seed: int = 0) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return {
        VIDEO: torch.randn(rows, 16, generator=generator),
        AUDIO: torch.randn(rows, 24, generator=generator),
    }


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 6), st.integers(1, 9), st.floats(0.1, 30), st.integers(0, 99))
def test_nce_equals_oracle(rows: int, negatives: int, partition: float, seed: int) -> None:
    own, others = scores(rows, negatives, seed)
    loss = nce(own, others, torch.tensor(math.log(partition)))
    assert loss.item() == pytest.approx(losses.nce(own.tolist(), others.tolist(), partition))


def test_scores_of_chance_cost_the_odds_of_one_in_k() -> None:
    own, others = torch.full((3,), 2.0), torch.full((3, 8), 2.0)
    expected = math.log(9) + 8 * math.log(9 / 8)
    assert nce(own, others, torch.tensor(2.0)).item() == pytest.approx(expected)


def test_a_memory_that_stands_out_costs_nothing() -> None:
    own, others = torch.full((3,), 900.0), torch.full((3, 8), -900.0)
    assert nce(own, others, torch.tensor(0.0)).item() == 0
    assert nce(-own, others, torch.tensor(0.0)).item() == pytest.approx(900 + math.log(8))


def test_gradient_of_nce() -> None:
    own, others = (x.requires_grad_() for x in scores(3, 4))
    assert torch.autograd.gradcheck(lambda o, n: nce(o, n, torch.tensor(0.7)), (own, others))


def test_log_mean_exp_survives_what_exp_does_not() -> None:
    assert log_mean_exp(torch.tensor([1000.0, 1000.0])).item() == pytest.approx(1000)
    assert log_mean_exp(torch.tensor([0.0, math.log(3)])).item() == pytest.approx(math.log(2))


def test_views_are_centred_on_the_moment() -> None:
    video, audio = AVID(ObjectiveConfig(), small_encoders()).views
    assert video == VideoView(name="video", start_seconds=-0.25, duration_seconds=0.5, num_frames=8)
    assert audio == AudioView(
        name="audio", start_seconds=-1.0, duration_seconds=2.0, sample_rate_hz=16000
    )


@pytest.mark.parametrize("kind", KINDS)
def test_objective_equals_oracle(kind: str) -> None:
    """Two batches: the first sets Z, the second is scored with it and with what was remembered."""
    avid, contrasts = make(kind), [(VIDEO, AUDIO), (AUDIO, VIDEO), (VIDEO, VIDEO), (AUDIO, AUDIO)]
    contrasts = contrasts[:2] * (kind != "self") + contrasts[2:] * (kind != "cross")
    banks = {name: bank.vectors.tolist() for name, bank in avid.memories.items()}
    partitions: list[float] = []
    for seed in (0, 1):
        features, rows = random_features(6, seed), small_rows(6, seed)
        negatives = avid._negatives(rows).tolist()
        out = avid.compare(features, rows)
        x = {name: avid.heads[name](value).tolist() for name, value in features.items()}
        terms = {"avid_cross": 0.0, "avid_self": 0.0}
        for number, (query, memory) in enumerate(contrasts):
            bank = banks[memory]

            def score(i: int, item: int, query: str = query, bank: Any = bank) -> float:
                return losses.cosine(x[query][i], bank[item]) / 0.07  # noqa: B023

            own = [score(i, item) for i, item in enumerate(rows.items.tolist())]
            others = [[score(i, item) for item in items] for i, items in enumerate(negatives)]
            flat = [math.exp(value) for row in others for value in row]
            if len(partitions) == number:
                partitions.append(sum(flat) / len(flat))
            term = "avid_self" if query == memory else "avid_cross"
            terms[term] += losses.nce(own, others, partitions[number])
        cross, own_weight = KINDS[kind]
        total = cross * terms["avid_cross"] + own_weight * terms["avid_self"]
        assert out.total.item() == pytest.approx(total / (cross + own_weight), rel=1e-4)
        assert {name: value.item() for name, value in out.terms.items()} == pytest.approx(
            {name: value for name, value in terms.items() if value}, rel=1e-4
        )
        for name, bank in banks.items():
            unit = [losses.remembered(row, [row], 0) for row in x[name]]
            for item in set(rows.items.tolist()):
                mine = [e for e, i in zip(unit, rows.items.tolist(), strict=True) if i == item]
                bank[item] = losses.remembered(bank[item], mine, 0.5)
    for name, bank in banks.items():
        torch.testing.assert_close(avid.memories[name].vectors, torch.tensor(bank))
    torch.testing.assert_close(
        avid.log_partition.exp(), torch.tensor(partitions), rtol=1e-4, atol=0
    )


def test_held_out_rows_are_not_remembered_and_cost_nothing() -> None:
    avid = make()
    before = {name: value.clone() for name, value in avid.state_dict().items()}
    out = avid.compare(random_features(4), None)
    assert (out.total.item(), out.terms) == (0, {})
    assert 0 <= out.metrics["audio_to_video_recall_at_1"] <= 1
    for name, value in avid.state_dict().items():
        assert value.equal(before[name]) or value.isnan().all()


def test_state_survives_a_checkpoint() -> None:
    """What was saved after one batch gives the second batch's loss; banks and Z are in it."""
    avid, other = make(), make()
    avid.compare(random_features(4), small_rows(4))
    other.load_state_dict(avid.state_dict())
    one, two = (
        model.compare(random_features(4, 1), small_rows(4, 1)).total for model in (avid, other)
    )
    assert one.equal(two)
    assert not make().compare(random_features(4, 1), small_rows(4, 1)).total.equal(one)


def test_a_batch_is_learnt_by_heart() -> None:
    avid = make("joint")
    features, rows = random_features(6), small_rows(6)
    rows = type(rows)(items=torch.arange(6), positions=torch.arange(6), epoch=0)
    optimizer = torch.optim.Adam(avid.parameters(), lr=0.01)
    first = avid.compare(features, rows).total.item()
    for _ in range(150):
        optimizer.zero_grad()
        out = avid.compare(features, rows)
        out.total.backward()
        optimizer.step()
    assert out.total.item() < first / 3
    assert out.metrics["audio_to_video_recall_at_1"].item() == 1


def test_full_precision_under_autocast() -> None:
    avid, twin, encoders, batch = make(), make(), small_encoders(), small_batch(3)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        features = {
            VIDEO: encoders.encode_video(batch[VIDEO]).float(),
            AUDIO: encoders.encode_audio(batch[AUDIO]).float(),
        }
        out = avid(encoders, batch, small_rows(3))
    assert out.total.equal(twin.compare(features, small_rows(3)).total)


def test_one_item_has_nothing_to_be_told_from() -> None:
    with pytest.raises(UserError, match="only one"):
        make().prepare(1, seed=0)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"temperature": 0.0}, "temperature=0"),
        ({"num_negatives": 0}, "num_negatives=0"),
        ({"cross_weight": -1.0}, "cross_weight=-1"),
        ({"cross_weight": 0.0}, "one must be > 0"),
        ({"memory_momentum": 1.0}, "memory_momentum=1"),
    ],
)
def test_settings_that_make_no_sense(change: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        AVIDConfig(**change)
