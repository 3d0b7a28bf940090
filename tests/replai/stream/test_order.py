"""The order of an epoch, against a loop that hands out one place after the other."""

import itertools
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from replai.core.errors import UserError
from replai.core.seeding import generator
from replai.stream.order import Mix, mix_of, one_dataset, order

pairs = st.lists(st.tuples(st.integers(1, 9), st.integers(1, 20)), min_size=1, max_size=3)
mixes = st.builds(
    lambda pairs, unit: Mix(tuple(s for s, _ in pairs), tuple(q for _, q in pairs), unit),
    pairs,
    st.integers(1, 4),
)


def test_orders_of_seeds_and_epochs_differ() -> None:
    mix = one_dataset(100)
    orders = [tuple(order(seed, epoch, mix)) for seed in range(3) for epoch in range(5)]
    assert len(set(orders)) == 15
    assert all(sorted(one) == list(range(100)) for one in orders)
    assert order(0, 0, one_dataset(5)).dtype == np.int64


@given(mixes, st.integers(0, 2**40), st.integers(1, 5))
def test_each_dataset_goes_through_its_own_epochs(mix: Mix, seed: int, num_epochs: int) -> None:
    came = [order(seed, epoch, mix) for epoch in range(num_epochs)]
    for number, (size, quota) in enumerate(zip(mix.sizes, mix.quotas, strict=True)):
        first = sum(mix.sizes[:number])
        owned = [items[(items >= first) & (items < first + size)] for items in came]
        assert [len(items) for items in owned] == [quota] * num_epochs
        whole = np.concatenate(owned) - first
        endless = (
            int(item)
            for epoch in itertools.count()
            for item in in_units(size, mix.unit, generator(seed, epoch, number, "order"))
        )
        assert whole.tolist() == list(itertools.islice(endless, num_epochs * quota))


def in_units(size: int, unit: int, draw: np.random.Generator) -> list[int]:
    """0..size-1 in shuffled units of neighbours on a ring, what is left over behind them."""
    if unit == 1:
        return draw.permutation(size).tolist()
    start = int(draw.integers(size))
    units = [[(start + n * unit + i) % size for i in range(unit)] for n in range(size // unit)]
    came = [item for n in draw.permutation(len(units)) for item in units[n]]
    return came + [(start + i) % size for i in range(size // unit * unit, size)]


def test_units_differ_from_epoch_to_epoch_and_none_is_always_the_last() -> None:
    mix = Mix((103,), (103,), unit=4)
    orders = [order(0, epoch, mix).tolist() for epoch in range(60)]
    assert all(sorted(one) == list(range(103)) for one in orders)
    firsts = [{one[0] % 4 for one in orders}, {one[-1] for one in orders}]
    assert firsts[0] == {0, 1, 2, 3} and len(firsts[1]) > 30


def test_units_of_mixed_datasets_stay_together() -> None:
    mix = Mix((40, 60), (21, 50), unit=3)
    came = order(1, 0, mix)
    first = came[came < 40]
    steps = np.diff(came)
    owners = came >= 40
    assert np.count_nonzero(owners[1:] != owners[:-1]) < 2 * 7 + 1  # of 7 units, not of 21 items
    assert (steps % 60 == 1).sum() >= 2 * len(first) // 3


def test_datasets_are_strewn_over_the_epoch() -> None:
    owner = order(0, 0, Mix((5000, 5000), (3000, 1000))) >= 5000
    shares = owner.reshape(10, 400).mean(axis=1)
    assert np.abs(shares - 0.25).max() < 0.1
    assert (owner != (order(0, 1, Mix((5000, 5000), (3000, 1000))) >= 5000)).any()


@given(
    st.lists(st.tuples(st.integers(50, 90), st.floats(0.5, 9.0)), min_size=1, max_size=4),
)
def test_quotas_are_nearest_to_the_weights(pairs: list[tuple[int, float]]) -> None:
    sizes, weights = [size for size, _ in pairs], [weight for _, weight in pairs]
    mix = mix_of(sizes, weights)
    assert mix.num_places == sum(sizes)
    for quota, weight in zip(mix.quotas, weights, strict=True):
        assert abs(quota - sum(sizes) * weight / sum(weights)) < 1.0


def test_without_weights_every_item_comes_once_an_epoch() -> None:
    mix = mix_of([4, 7, 1], [0.0, 0.0, 0.0])
    assert mix == Mix((4, 7, 1), (4, 7, 1))
    assert Counter(order(3, 1, mix).tolist()) == Counter(range(12))


def test_own_epochs_are_counted() -> None:
    assert Mix((4, 20), (8, 10)).own_epochs(1.5) == (3.0, 0.75)


def test_a_weight_that_gives_no_place_is_refused() -> None:
    with pytest.raises(UserError, match=r"weight 0\.001 of dataset 2 of 2 gives it none of the 12"):
        mix_of([8, 4], [1.0, 0.001])
