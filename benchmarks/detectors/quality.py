"""Found times against true ones."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from benchmarks.detectors.sounds import Heard, Mono
from sharder.world.sound import SAMPLE_RATE_HZ

Way = Callable[[Mono, int], list[float]]
"""From mono samples and their rate in Hz to times in seconds, rising."""

TOLERANCE_SECONDS = 0.05
Row = tuple[str, int, int, int, int]
"""Figure, seed, true times, found times, pairs."""


def heard_by_all(sounds: Iterable[Heard], ways: Mapping[str, Way]) -> list[Row]:
    """What each way finds in each sound."""
    rows: list[Row] = []
    for sound in sounds:
        for name, way in ways.items():
            found = way(sound.samples, SAMPLE_RATE_HZ)
            figure = f"{'coded_' if sound.coded else ''}{name}f1_{sound.world}"
            pairs = len(matched(found, sound.truth))
            rows.append((figure, sound.seed, len(sound.truth), len(found), pairs))
    return rows


def matched(found: Sequence[float], truth: Sequence[float]) -> list[float]:
    """Found minus true for each true time that has one of its own within the tolerance.

    Both rise; the most pairs that can be made in order, which is the most that can be made.
    """
    errors: list[float] = []
    at = 0
    for time in truth:
        while at < len(found) and found[at] < time - TOLERANCE_SECONDS:
            at += 1
        if at < len(found) and found[at] <= time + TOLERANCE_SECONDS:
            errors.append(found[at] - time)
            at += 1
    return errors


def figures(rows: Sequence[Row]) -> dict[str, float]:
    """F1 over all seeds."""
    sums: dict[str, list[int]] = {}
    for figure, _, true, found, pairs in rows:
        sum_of = sums.setdefault(figure, [0, 0])
        sum_of[0] += 2 * pairs
        sum_of[1] += true + found
    return {name: hits / both for name, (hits, both) in sums.items()}
