"""Threads that a piece of work starts, whoever starts them and whatever they are called."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import FrameType


def tasks() -> frozenset[str]:
    """Ids of this process's threads."""
    with os.scandir("/proc/self/task") as entries:
        return frozenset(entry.name for entry in entries)


def threads_of(work: Callable[[], object]) -> frozenset[str]:
    """Ids of the threads that were there between two lines of `work`, and not before it.

    Those of FFmpeg live as long as the decoder, graph or scaler that has them, and this lives on
    past the line that made it: none is missed, as some are by a look now and then from beside.
    `work` runs in a thread of its own, which has kept no graph yet.
    """
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(_watched, work).result()


def _watched(work: Callable[[], object]) -> frozenset[str]:
    before, found = tasks(), set()

    def look(frame: FrameType, event: str, argument: object) -> Callable[..., object]:
        found.update(tasks() - before)
        return look

    sys.settrace(look)
    try:
        work()
    finally:
        sys.settrace(None)
    return frozenset(found)
