import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from replai.core.seeding import generator

numbers = st.integers(0, 2**31)
names = st.tuples(st.integers(0, 2**63), numbers, numbers, st.sampled_from(["order", "crop/0", ""]))


def draws(seed: int, epoch: int, position: int, purpose: str) -> list[int]:
    return generator(seed, epoch, position, purpose).integers(0, 2**62, 4).tolist()


@given(names)
def test_equal_names_equal_draws(name: tuple[int, int, int, str]) -> None:
    np.random.seed(0)
    first = draws(*name)
    np.random.random()
    assert draws(*name) == first


@given(names, names)
def test_any_change_of_a_name_gives_other_draws(
    one: tuple[int, int, int, str], other: tuple[int, int, int, str]
) -> None:
    for mixed in itertools.product(*zip(one, other, strict=True)):
        assert (draws(*mixed) == draws(*one)) == (mixed == one)


def test_arguments_do_not_change_places() -> None:
    assert len({tuple(draws(*order, "p")) for order in itertools.permutations((0, 1, 2))}) == 6


def test_the_draws_of_a_name_are_fixed_for_ever() -> None:
    assert generator(7, 1, 42, "order").permutation(8).tolist() == [7, 3, 5, 6, 4, 1, 0, 2]


def test_negative_numbers_are_refused() -> None:
    with pytest.raises(ValueError):
        generator(-1, 0, 0, "order")
