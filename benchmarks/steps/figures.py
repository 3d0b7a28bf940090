"""From turns to figures; what each means stands in train_step.py."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping

from benchmarks.steps.fed import Fed
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


def feed_figures(
    streamed: Fed, from_memory: Fed, resident_seconds: float, cpu_seconds: float, batch: int
) -> dict[str, float]:
    """Of fed steps beside `resident_seconds` a step, and `cpu_seconds` of decode a moment."""
    return {
        "fed_over_resident": resident_seconds * streamed.steps / streamed.seconds,
        "fed_wait_share": streamed.idle_seconds / streamed.seconds,
        "from_memory_over_resident": resident_seconds * from_memory.steps / from_memory.seconds,
        "from_memory_wait_share": from_memory.idle_seconds / from_memory.seconds,
        "decode_cpu_ms": 1000 * cpu_seconds,
        "cores_that_suffice": cores_that_suffice(cpu_seconds, batch / resident_seconds),
    }


def cores_that_suffice(cpu_seconds: float, moments_per_second: float) -> int:
    """Cores that decode `moments_per_second` at `cpu_seconds` each, and one for the trainer."""
    return 1 + math.ceil(cpu_seconds * moments_per_second)
