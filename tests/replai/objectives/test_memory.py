import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from replai.objectives.cosine import unit
from replai.objectives.memory import MemoryBank, draw_others, skip_own


def test_memories_are_unit_vectors_named_by_seed_and_modality() -> None:
    bank = MemoryBank(50, 6, 3, "video")
    torch.testing.assert_close(bank.vectors.norm(dim=1), torch.ones(50))
    assert bank.vectors.equal(MemoryBank(50, 6, 3, "video").vectors)
    assert not bank.vectors.equal(MemoryBank(50, 6, 4, "video").vectors)
    assert not bank.vectors.equal(MemoryBank(50, 6, 3, "audio").vectors)


def test_other_memories_are_left_alone() -> None:
    bank = MemoryBank(5, 4, 0, "video")
    before = bank.vectors.clone()
    bank.update(torch.tensor([3, 1]), unit(torch.randn(2, 4)), 0.5)
    changed = (bank.vectors != before).any(dim=1)
    assert changed.tolist() == [False, True, False, True, False]


def test_the_order_of_rows_does_not_matter() -> None:
    one, other = MemoryBank(9, 4, 0, "video"), MemoryBank(9, 4, 0, "video")
    items, rows = torch.tensor([3, 1, 3, 8, 3]), unit(torch.randn(5, 4))
    shuffled = torch.tensor([4, 3, 0, 2, 1])
    one.update(items, rows, 0.5)
    other.update(items[shuffled], rows[shuffled], 0.5)
    torch.testing.assert_close(one.vectors, other.vectors)


@settings(max_examples=20, deadline=None)
@given(st.integers(2, 6), st.integers(1, 40), st.integers(0, 9))
def test_negatives_are_other_items(num_items: int, num_draws: int, epoch: int) -> None:
    items = torch.arange(num_items)
    draws = draw_others(np.arange(num_items), num_items, num_draws, seed=1, epoch=epoch)
    negatives = skip_own(torch.from_numpy(draws), items)
    assert negatives.shape == (num_items, num_draws)
    assert not (negatives == items[:, None]).any()
    assert negatives.min() >= 0
    assert negatives.max() < num_items


def test_negatives_are_drawn_evenly() -> None:
    draws = draw_others(np.array([4]), 5, 40_000, seed=0, epoch=0)
    counts = skip_own(torch.from_numpy(draws), torch.tensor([2]))[0].bincount(minlength=5)
    assert counts[2] == 0
    assert (counts[[0, 1, 3, 4]] - 10_000).abs().max() < 500  # some 6 standard deviations


def test_draws_are_named_by_place_not_by_the_rank_that_makes_them() -> None:
    whole = draw_others(np.array([4, 4, 5, 6]), 100, 8, seed=0, epoch=2)
    part = draw_others(np.array([5, 6]), 100, 8, seed=0, epoch=2)
    assert (whole[2:] == part).all()
    assert (whole[0] == whole[1]).all()
    assert (whole[1] != whole[2]).any()
    assert (draw_others(np.array([5, 6]), 100, 8, seed=0, epoch=3) != part).any()
    assert (draw_others(np.array([5, 6]), 100, 8, seed=1, epoch=2) != part).any()
