"""From turns to figures; what each means stands in train_step.py."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping, Sequence

from benchmarks.steps.fed import FeedRound
from benchmarks.steps.turns import Turn
from benchmarks.steps.ways import COMPILED, REFERENCE, TRAINER

RATIOS = {
    "step_over_reference": (REFERENCE, TRAINER),
    "compiled_over_eager": (TRAINER, COMPILED),
    "channels_last_over_first": ("channels_first", TRAINER),
    "bfloat16_over_float32": ("float32", TRAINER),
    "micro_batches_over_whole": (TRAINER, "micro_batches"),
    "recomputed_over_kept": (TRAINER, "recomputed"),
}
"""Figure -> (way whose seconds are divided, way by whose seconds)."""

Turns = Mapping[str, list[Turn]]


def step_figures(turns: Turns, batch: int) -> dict[str, float]:
    """Of turns in rounds: ratios of the ways that took part, rates, memory."""
    found = {
        name: statistics.median(
            slow.seconds / fast.seconds for slow, fast in zip(turns[one], turns[other], strict=True)
        )
        for name, (one, other) in RATIOS.items()
        if one in turns and other in turns
    }
    for name, rows in turns.items():
        found[f"{name}_ms"] = 1000 * statistics.median(turn.seconds for turn in rows)
        found[f"{name}_gigabytes"] = max(turn.gigabytes for turn in rows)
    found["moments_per_second"] = batch / statistics.median(t.seconds for t in turns[TRAINER])
    return found


def feed_figures(rounds: Sequence[FeedRound], cpu_seconds: float, batch: int) -> dict[str, float]:
    """Of fed steps in rounds beside resident ones, and `cpu_seconds` of decode a moment."""

    def median(figure: Callable[[FeedRound], float]) -> float:
        return statistics.median(map(figure, rounds))

    a_step = median(lambda one: one.resident.seconds_a_step)
    return {
        "fed_over_resident": median(
            lambda one: one.resident.seconds_a_step / one.streamed.seconds_a_step
        ),
        "fed_wait_share": median(lambda one: one.streamed.idle_seconds / one.streamed.seconds),
        "from_memory_over_resident": median(
            lambda one: one.resident.seconds_a_step / one.from_memory.seconds_a_step
        ),
        "from_memory_wait_share": median(
            lambda one: one.from_memory.idle_seconds / one.from_memory.seconds
        ),
        "decode_cpu_ms": 1000 * cpu_seconds,
        "cores_that_suffice": cores_that_suffice(cpu_seconds, batch / a_step),
    }


def cores_that_suffice(cpu_seconds: float, moments_per_second: float) -> int:
    """Cores that decode `moments_per_second` at `cpu_seconds` each, and one for the trainer."""
    return 1 + math.ceil(cpu_seconds * moments_per_second)
