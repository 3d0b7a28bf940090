"""Turns of each way on one batch, and what they take."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import torch

from benchmarks.steps.size import Size
from benchmarks.steps.ways import Step, Views, wait_for
from replai.objectives import Rows
from replai.training.feed import Placed

WARMUP_STEPS = 3
LOG_EVERY_STEPS = 10
"""As train.py by default: so often a number is read back."""


@dataclass(frozen=True)
class Turn:
    """One way's steps of one round."""

    seconds: float
    """A step."""
    gigabytes: float
    """Memory at its peak beyond what was held before; 0 on the CPU."""


def clock(device: torch.device) -> Callable[[], float]:
    """Seconds of the wall beside a GPU, of CPU time on the CPU, which others share."""
    return time.perf_counter if device.type == "cuda" else time.process_time


def seconds(step: Step, batches: Iterable[tuple[Views, Rows]], device: torch.device) -> float:
    """What `step` takes on all `batches`."""
    now = clock(device)
    wait_for(device)
    started = now()
    for number, (views, rows) in enumerate(batches, start=1):
        output = step(views, rows)
        if number % LOG_EVERY_STEPS == 0:
            output.total.item()
    wait_for(device)
    return now() - started


def play(
    steps: Mapping[str, Step], placed: Placed, size: Size, device: torch.device
) -> dict[str, list[Turn]]:
    """A turn of each way a round, every second round in the opposite order."""
    found: dict[str, list[Turn]] = {name: [] for name in steps}
    one = (placed.views, placed.rows)
    for name, step in steps.items():  # kernels are chosen, and compiled
        started = time.perf_counter()
        seconds(step, [one] * WARMUP_STEPS, device)
        print(f"{name:16} ready after {time.perf_counter() - started:.1f} s", flush=True)
    for number in range(size.rounds):
        for name in list(steps)[:: 1 if number % 2 == 0 else -1]:
            before = _memory(device, peak=False)
            taken = seconds(steps[name], [one] * size.steps, device) / size.steps
            gigabytes = (_memory(device, peak=True) - before) / 1e9
            found[name].append(Turn(taken, gigabytes))
            print(f"round {number + 1}  {name:16} {1000 * taken:8.2f} ms a step", flush=True)
    return found


def _memory(device: torch.device, *, peak: bool) -> int:
    if device.type != "cuda":
        return 0
    if peak:
        return torch.cuda.max_memory_allocated(device)
    torch.cuda.reset_peak_memory_stats(device)
    return torch.cuda.memory_allocated(device)


def waits(step: Step, placed: Placed, device: torch.device) -> list[str]:
    """What the host waits for in one step, in torch's words; on a GPU only."""
    if device.type != "cuda":
        return []
    torch.cuda.set_sync_debug_mode("warn")
    try:
        with warnings.catch_warnings(record=True) as found:
            warnings.simplefilter("always")
            step(placed.views, placed.rows)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    return [str(one.message) for one in found if "synchroniz" in str(one.message)]
