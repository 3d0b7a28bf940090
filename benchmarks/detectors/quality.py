"""Found times against true ones."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from benchmarks.detectors.sounds import Heard, Mono
from sharder.world.sound import SAMPLE_RATE_HZ

Way = Callable[[Mono, int], list[float]]
"""From mono samples and their rate in Hz to times in seconds, rising."""

TOLERANCE_SECONDS = 0.05
Row = dict[str, str | int | list[float]]


def heard_by_all(sounds: Iterable[Heard], ways: Mapping[str, Way]) -> list[Row]:
    """What each way finds in each sound, and how far off it is where it is right."""
    rows: list[Row] = []
    for sound in sounds:
        for name, way in ways.items():
            found = way(sound.samples, SAMPLE_RATE_HZ)
            errors = matched(found, sound.truth)
            rows.append(
                {
                    "figure": f"{'coded_' if sound.coded else ''}{name}f1_{sound.snr_db}db",
                    "seed": sound.seed,
                    "true": len(sound.truth),
                    "found": len(found),
                    "errors_ms": [round(1e3 * error, 2) for error in errors],
                }
            )
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
    for row in rows:
        sum_of = sums.setdefault(str(row["figure"]), [0, 0])
        assert isinstance(row["errors_ms"], list)
        sum_of[0] += 2 * len(row["errors_ms"])
        sum_of[1] += int(str(row["true"])) + int(str(row["found"]))
    return {name: hits / both for name, (hits, both) in sums.items()}
