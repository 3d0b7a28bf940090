"""How long to try for a range of bytes: deadlines, backoff with jitter, a second request."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from replai.core.store_errors import http_status, is_elsewhere, is_refusal, is_store_error

# Of botocore: trouble that a second try cannot mend, and that is no single file's.
_HOPELESS = {"NoCredentialsError", "PartialCredentialsError", "ProfileNotFound", "NoRegionError"}
_LASTING = (FileNotFoundError, PermissionError, IsADirectoryError, NotADirectoryError)
MOST_PATIENCE = 8.0
_BUSY = {408, 425, 429}  # of HTTP: request timeout, too early, too many requests


@dataclass(frozen=True, kw_only=True)
class RetryConfig:
    """Patience with a store. All times in seconds."""

    attempt_seconds: float = 20.0
    """One request takes no longer; a stalled one is given up then. Where none is answered in time,
    as on a slow or crowded line, up to eight times as long.
    """
    total_seconds: float = 120.0
    """No attempt for a sample starts later than this after the first; then the sample fails."""
    first_wait_seconds: float = 0.2
    """Longest wait before the second attempt; it doubles from attempt to attempt."""
    longest_wait_seconds: float = 10.0
    hedge_seconds: float = 1.0
    """A second request is sent beside one that has not answered by then (for 5% of the requests
    at most); 0 sends none.
    """
    most_given_up: int = 3
    """Reads given up, with no answer since the first of them began, after which the store counts as
    down: then the run stops, as no spare could be had either. What is asked for together counts
    once, so that one unreadable shard costs samples, not the run.
    """

    def __post_init__(self) -> None:
        for name in ("attempt_seconds", "total_seconds"):
            if not 0 < getattr(self, name) < math.inf:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be positive and finite")
        for name in ("first_wait_seconds", "longest_wait_seconds", "hedge_seconds"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ValueError(
                    f"{name} is {getattr(self, name)}; it must be finite and not negative"
                )
        if self.most_given_up < 1:
            raise ValueError(f"most_given_up is {self.most_given_up}; it must be at least 1")


class Patience:
    """How long an attempt may take: `attempt_seconds`, more where answers come later than that.

    Reads under way share the line. If on a slow one each were given up shortly before its end, and
    begun anew, the line would be full and nothing would ever arrive.
    """

    def __init__(self, attempt_seconds: float) -> None:
        self._least = self.seconds = attempt_seconds

    def late(self, allowed_seconds: float) -> None:
        """Notes an attempt with no answer in the time it was allowed: later ones may take twice
        as long. Of many that began together only the first makes a difference.
        """
        self.seconds = max(self.seconds, min(2 * allowed_seconds, MOST_PATIENCE * self._least))

    def answer(self, seconds: float) -> None:
        """Notes an answer that took so long; a quick one ends the patience."""
        self.seconds = max(self._least, min(self.seconds, 4 * seconds))


class Silence:
    """How long a store has answered no read at all.

    A read that is given up holds up those behind it: that nothing was answered since may mean that
    nothing was asked. So it counts only if nothing was since it began, and with all reads that
    began with it, as neighbours do, only once.
    """

    def __init__(self, most_given_up: int) -> None:
        self._most = most_given_up
        self._given_up: set[float] = set()  # when each began
        self._last_answer = time.monotonic()

    def end(self) -> None:
        """Notes an answer, be it of damaged bytes."""
        self._given_up.clear()
        self._last_answer = time.monotonic()

    def lasts(self, began: float) -> str:
        """Notes a read that began at `began`, by time.monotonic(), and was given up; says so if the
        store counts as down.
        """
        if began < self._last_answer:
            return ""
        self._given_up.add(began)
        if len(self._given_up) < self._most:
            return ""
        return (
            f"has not answered for {time.monotonic() - self._last_answer:.0f} s; "
            f"{len(self._given_up)} reads were given up, each within retry.total_seconds; when it "
            "is back, run again"
        )


def waits_seconds(config: RetryConfig, draw: np.random.Generator) -> Iterator[float]:
    """Waits between attempts, without end: uniform between 0 and a limit that doubles.

    The full jitter spreads out clients that a throttling store refused at the same moment.
    """
    limit = config.first_wait_seconds
    while True:
        yield float(draw.uniform(0.0, min(limit, config.longest_wait_seconds)))
        limit = min(2 * limit, config.longest_wait_seconds)


def may_pass(error: BaseException) -> bool:
    """Whether what a store's client raised may be gone at the next attempt.

    Stalls, resets, throttling and server errors may; a file that is not there, a refusal and bugs
    will not.
    """
    if isinstance(error, _LASTING):
        return False
    if isinstance(error, OSError | TimeoutError | EOFError):
        return True
    status = http_status(error)
    if status is not None:
        return status >= 500 or status in _BUSY
    is_hopeless = type(error).__name__ in _HOPELESS or is_refusal(error) or is_elsewhere(error)
    return is_store_error(error) and not is_hopeless
