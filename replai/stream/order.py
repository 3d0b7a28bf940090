"""The order of an epoch, a pure function of seed and epoch; of one dataset, or of several mixed.

One dataset of N items: a permutation of 0..N-1. Several: their items are numbered through,
dataset after dataset. Of an epoch's places dataset d gets `quotas[d]`, strewn at random, and there
its items come in the order of its own epochs, which it goes through at its own pace:

    epoch 0    a3 b1 a0 a2 b0 a1       a: all 4 of its items     b: 2 of its 5
    epoch 1    b4 a1 a3 b2 a0 a2       a: all 4, anew            b: 2 of those still to come

Units of a few neighbours stay together, so that one read serves them all. Which items make a unit
is drawn anew for each epoch: they are cut from a ring that starts anywhere.

    unit 2     a1 a2 | b1 b2 | a3 a0
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from replai.core.errors import UserError
from replai.core.seeding import generator


@dataclass(frozen=True)
class Mix:
    """Dataset d has `sizes[d]` items and `quotas[d]` of the places of an epoch, all at least 1."""

    sizes: tuple[int, ...]
    quotas: tuple[int, ...]
    unit: int = 1
    """Neighbouring items that stay together."""

    @property
    def num_places(self) -> int:
        """Places of an epoch."""
        return sum(self.quotas)

    def own_epochs(self, epochs: float) -> tuple[float, ...]:
        """How often each dataset has been gone through after `epochs` epochs of the mix."""
        pairs = zip(self.sizes, self.quotas, strict=True)
        return tuple(epochs * quota / size for size, quota in pairs)


def one_dataset(num_items: int) -> Mix:
    """The mix of a single dataset: every item once an epoch."""
    return Mix((num_items,), (num_items,))


def mix_of(sizes: Sequence[int], weights: Sequence[float]) -> Mix:
    """An epoch of as many places as there are items, shared out in proportion to `weights`.

    Weights that are all 0 stand for the sizes: every item comes once an epoch. Otherwise each
    must be positive. Rounded by largest remainder. Raises UserError where a dataset gets no place.
    """
    shares = np.asarray(weights if any(weights) else sizes, np.float64)
    exact = sum(sizes) * shares / shares.sum()
    quotas = np.floor(exact).astype(np.int64)
    quotas[np.argsort(quotas - exact, kind="stable")[: sum(sizes) - quotas.sum()]] += 1
    if (quotas < 1).any():
        number = int(np.argmin(quotas))
        raise UserError(
            f"weight {weights[number]:g} of dataset {number + 1} of {len(sizes)} gives it none of "
            f"the {sum(sizes)} places of an epoch; give it a larger one, or leave it out"
        )
    return Mix(tuple(sizes), tuple(quotas.tolist()))


def order(seed: int, epoch: int, mix: Mix) -> NDArray[np.int64]:
    """The item of each place of an epoch; int64 [mix.num_places], the same on every machine."""
    parts = [_part(seed, epoch, number, mix) for number in range(len(mix.sizes))]
    if len(parts) == 1:
        return parts[0]
    owners = _owners(mix, generator(seed, epoch, 0, "mix"))
    items = np.empty(mix.num_places, np.int64)
    for number, part in enumerate(parts):
        items[owners == number] = part
    return items


def _owners(mix: Mix, draw: np.random.Generator) -> NDArray[np.int64]:
    """The dataset of each place of an epoch, strewn unit by unit."""
    units = [np.diff(np.append(np.arange(0, quota, mix.unit), quota)) for quota in mix.quotas]
    numbers = np.repeat(np.arange(len(units)), [len(one) for one in units])
    strewn = draw.permutation(len(numbers))
    return np.repeat(numbers[strewn], np.concatenate(units)[strewn])


def _part(seed: int, epoch: int, number: int, mix: Mix) -> NDArray[np.int64]:
    """The items of one dataset in an epoch of the mix: a stretch of its own epochs."""
    size, quota = mix.sizes[number], mix.quotas[number]
    first = epoch * quota
    own = range(first // size, -(-(first + quota) // size))
    epochs = [_shuffled(size, mix.unit, generator(seed, e, number, "order")) for e in own]
    start = first - own.start * size
    # No copies where there is one epoch, or one dataset: a worker would keep their memory.
    items = (epochs[0] if len(epochs) == 1 else np.concatenate(epochs))[start : start + quota]
    before = sum(mix.sizes[:number])
    return items + before if before else items


def _shuffled(size: int, unit: int, draw: np.random.Generator) -> NDArray[np.int64]:
    """A permutation of 0..size-1 in which units of neighbours stay together.

    They are cut from the ring 0, 1 … size-1, 0 … from a random item on; what is left of it when no
    whole unit is comes last.
    """
    if unit == 1:
        return draw.permutation(size)
    start, num_units = int(draw.integers(size)), size // unit
    items = np.arange(start, start + size)
    whole = items[: num_units * unit].reshape(-1, unit)
    np.add((start + unit * draw.permutation(num_units))[:, None], np.arange(unit), out=whole)
    return np.remainder(items, size, out=items)  # in place: each worker would keep a copy's memory
