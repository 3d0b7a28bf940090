"""What stands on the table when a video begins."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from sharder.world.vocabulary import NOUNS, State

NUM_OBJECTS = (3, 5)
"""Fewest and most objects of a video."""


@dataclass(frozen=True, kw_only=True)
class SceneObject:
    """One object on the table."""

    noun: str
    place: int
    """Counted from the left, 0 first."""

    initial_state: State


def set_table(chance: np.random.Generator) -> tuple[SceneObject, ...]:
    """Return objects of different kinds, in random states."""
    count = int(chance.integers(NUM_OBJECTS[0], NUM_OBJECTS[1] + 1))
    kinds = chance.permutation(len(NOUNS))[:count]
    return tuple(
        SceneObject(noun=NOUNS[kind], place=place, initial_state=_random_state(chance))
        for place, kind in enumerate(kinds)
    )


def add_twins(
    objects: tuple[SceneObject, ...], twin_probability: float, chance: np.random.Generator
) -> tuple[SceneObject, ...]:
    """Return the objects, some of them of their left neighbour's kind now."""
    table = list(objects)
    for place in range(1, len(table)):
        if chance.random() < twin_probability:
            table[place] = replace(table[place], noun=table[place - 1].noun)
    return tuple(table)


def _random_state(chance: np.random.Generator) -> State:
    is_open, is_on, has_item, is_full = (bool(bit) for bit in chance.integers(0, 2, 4))
    return is_open, is_on, has_item, is_full
