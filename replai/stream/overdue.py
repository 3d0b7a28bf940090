"""Names a sample whose decoding does not end.

How much work a sample may ask for is limited by counting (replai/media/limits.py), never by the
clock: whether it is a bad one may not depend on how busy the machine is, or runs would differ. What
counting cannot end is an endless loop inside FFmpeg. Nothing in this process can end that either,
but its other threads run on meanwhile, and one of them can say where it is.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

OVERDUE_SECONDS = 120.0
"""Far past what the limits leave room for."""


def _to_stderr(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


class Overdue:
    """Watches the calls of one thread after another, from a thread of its own."""

    def __init__(
        self, after_seconds: float = OVERDUE_SECONDS, say: Callable[[str], None] = _to_stderr
    ) -> None:
        self._after_seconds, self._say = after_seconds, say
        self._current: tuple[str, float] | None = None
        self._thread: threading.Thread | None = None

    @contextmanager
    def named(self, name: str) -> Iterator[None]:
        """Says once that `name` is overdue, if the body takes longer than that."""
        if self._thread is None or not self._thread.is_alive():  # as in a process just forked
            self._thread = threading.Thread(target=self._watch, name="overdue", daemon=True)
            self._thread.start()
        self._current = (name, time.monotonic())
        try:
            yield
        finally:
            self._current = None

    def _watch(self) -> None:
        said = None
        while True:
            time.sleep(self._after_seconds / 4)
            current = self._current
            if current is not None and current is not said:
                seconds = time.monotonic() - current[1]
                if seconds > self._after_seconds:
                    self._say(f"{current[0]} has been decoding for {seconds:.0f} s")
                    said = current
