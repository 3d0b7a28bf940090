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

mixes = st.lists(st.tuples(st.integers(1, 9), st.integers(1, 20)), min_size=1, max_size=3).map(
    lambda pairs: Mix(tuple(size for size, _ in pairs), tuple(quota for _, quota in pairs))
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
            for item in generator(seed, epoch, number, "order").permutation(size)
        )
        assert whole.tolist() == list(itertools.islice(endless, num_epochs * quota))


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
