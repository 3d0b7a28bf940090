"""Names a sample whose decoding does not end, and ends the worker that is held by it.

How much work a sample may ask for is limited by counting (replai/media/limits.py), never by the
clock: whether it is a bad one may not depend on how busy the machine is, or runs would differ. What
counting cannot end is an endless loop inside FFmpeg. Nothing in this process can end that either,
but its other threads run on meanwhile: one of them says where it is, and in a worker ends the
process, far past what the limits leave room for. The loader then starts others, without it.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

NAMED_SECONDS = 120.0
TURNS = 4
"""Looks that the watch takes within the shortest of its times."""


@dataclass(frozen=True, eq=False)
class Call:
    """A sample that is being decoded: `item` of the stream."""

    item: int
    key: str


@dataclass(frozen=True)
class Ending:
    """After how long a call ends the process, and what is told of it before."""

    seconds: float
    tell: Callable[[int, str], None]


def _to_stderr(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


class Watch:
    """Watches the calls of one thread after another, from a thread of its own.

    Its time is that of its own turns: a process that was stopped meanwhile has not used any.
    """

    def __init__(
        self, named_seconds: float = NAMED_SECONDS, say: Callable[[str], None] = _to_stderr
    ) -> None:
        self._named_seconds, self._say = named_seconds, say
        self._ending: Ending | None = None
        self._current: Call | None = None
        self._thread: threading.Thread | None = None

    def end_process(self, after_seconds: float, tell: Callable[[int, str], None]) -> None:
        """From now on a call that takes longer ends this process, after `tell(item, key)`."""
        self._ending = Ending(after_seconds, tell)

    @contextmanager
    def on(self, item: int, key: str) -> Iterator[None]:
        """Says once that sample `key` is overdue, if the body takes longer than that."""
        if self._thread is None or not self._thread.is_alive():  # as in a process just forked
            self._thread = threading.Thread(target=self._watch, name="watch", daemon=True)
            self._thread.start()
        self._current = Call(item, key)
        try:
            yield
        finally:
            self._current = None

    def _watch(self) -> None:
        ending, say_after = self._ending, self._named_seconds
        turn = min(say_after, ending.seconds if ending else say_after) / TURNS
        watched, seconds = None, 0.0
        while True:
            time.sleep(turn)
            current = self._current
            before = seconds if current is watched else -turn
            watched, seconds = current, before + turn
            if current is None:
                continue
            if before < say_after <= seconds:
                self._say(f"sample {current.key} has been decoding for {seconds:.0f} s")
            if ending is not None and seconds >= ending.seconds:
                ending.tell(current.item, current.key)
                os._exit(1)


WATCH = Watch()
"""That of this process."""
