"""What happens besides interactions: a hand alone, a change alone, a sound alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sharder.world.vocabulary import NOUNS, VERBS, State

MARGIN_SECONDS = 1.6
"""Nothing happens nearer to a video's ends than this."""

REACH_CLEARANCE_SECONDS = 2.5
"""A hand that comes and goes takes this long: no two of them at a time."""

CHANGE_CLEARANCE_SECONDS = 0.9
"""Silent changes keep out of the clips around a contact, which reach to 0.6 s from it."""

OFFSCREEN_CLEARANCE_SECONDS = 1.0


@dataclass(frozen=True, kw_only=True)
class Reach:
    """A hand that reaches for an object and leaves it as it is."""

    seconds: float
    object_index: int


@dataclass(frozen=True, kw_only=True)
class SilentChange:
    """An object that changes by itself."""

    seconds: float
    object_index: int
    state_after: State


@dataclass(frozen=True, kw_only=True)
class Offscreen:
    """An interaction in another room."""

    seconds: float
    verb: str
    noun: str


def free_times(
    chance: np.random.Generator,
    per_minute: float,
    duration_seconds: float,
    taken: Sequence[float],
    clearance_seconds: float,
) -> list[float]:
    """Return random times, in milliseconds exactly, that keep clear of `taken` and each other.

    What finds no place is left out, so there may be fewer than `per_minute`.
    """
    times: list[float] = []
    for _ in range(chance.poisson(per_minute * duration_seconds / 60)):
        seconds = round(chance.uniform(MARGIN_SECONDS, duration_seconds - MARGIN_SECONDS), 3)
        if all(abs(seconds - other) > clearance_seconds for other in (*taken, *times)):
            times.append(seconds)
    return sorted(times)


def draw_offscreen(chance: np.random.Generator, times: Sequence[float]) -> tuple[Offscreen, ...]:
    """Return an interaction of any verb and any noun for each time."""
    return tuple(
        Offscreen(seconds=seconds, verb=str(chance.choice(VERBS)), noun=str(chance.choice(NOUNS)))
        for seconds in times
    )
