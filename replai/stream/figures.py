"""What the workers of a stream did: counted where it happens, added up by the trainer."""

from __future__ import annotations

import time
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

MOST_READS = 10_000
"""Requests whose times are kept: sums that nobody takes stay small."""


@dataclass(frozen=True, kw_only=True)
class Figures:
    """Sums over some batches of one rank's workers."""

    samples: int = 0
    requests: int = 0
    """Ranged reads sent, retries and hedges included."""
    retries: int = 0
    failed_reads: int = 0
    """Samples whose bytes could not be had; their requests and retries count above."""
    bytes_read: int = 0
    """Of all samples, whether from the store or the disk cache."""
    cache_hits: int = 0
    """Samples from the disk cache: no request was sent for them."""
    cache_bytes: int = 0
    """Those of `bytes_read` that came from the disk cache."""
    cache_damaged: int = 0
    """Samples in the disk cache that were not their own bytes any more, and were fetched again."""
    fetch_wait_seconds: float = 0.0
    """Time in which a worker had nothing to decode because bytes were still on their way."""
    decode_seconds: float = 0.0
    """Time of unpacking and decoding."""
    spares: int = 0
    """Samples that stand in for bad ones."""
    reading_seconds: float = 0.0
    """Times of all requests, as in `read_seconds`, added up."""
    queued_seconds: float = 0.0
    """How long finished batches lay ready before they were asked for, added up."""
    read_seconds: tuple[float, ...] = ()
    """How long each of the last `MOST_READS` requests took, its retries included. Neighbours that
    one request brings have one time, samples from the disk cache none."""
    warnings: tuple[str, ...] = ()
    """What the user should know; each worker says a thing once."""

    def __add__(self, other: Figures) -> Figures:
        sums = {
            field.name: getattr(self, field.name) + getattr(other, field.name)
            for field in fields(self)
        }
        return Figures(**{**sums, "read_seconds": sums["read_seconds"][-MOST_READS:]})

    def read_percentile(self, percent: float) -> float:
        """Percentile of `read_seconds`; 0 where there is none."""
        return float(np.percentile(self.read_seconds, percent)) if self.read_seconds else 0.0

    def named(self, elapsed_seconds: float) -> dict[str, float]:
        """Rates and shares of `elapsed_seconds`, for a log."""
        elapsed = max(elapsed_seconds, 1e-9)
        return {
            "stream/samples_per_second": self.samples / elapsed,
            "stream/megabytes_per_second": self.bytes_read / 1e6 / elapsed,
            "stream/read_seconds_p50": self.read_percentile(50),
            "stream/read_seconds_p99": self.read_percentile(99),
            # By Little's law: a queue's mean length is the time spent in it, over the time.
            "stream/reads_under_way": self.reading_seconds / elapsed,
            "stream/batches_ready": self.queued_seconds / elapsed,
            "stream/requests": float(self.requests),
            "stream/retries": float(self.retries),
            "stream/failed_reads": float(self.failed_reads),
            "stream/cache_hit_share": self.cache_hits / max(self.samples, 1),
            "stream/cache_megabytes_per_second": self.cache_bytes / 1e6 / elapsed,
            "stream/cache_damaged": float(self.cache_damaged),
            "stream/spares": float(self.spares),
            "stream/decode_seconds_per_sample": self.decode_seconds / max(self.samples, 1),
            "stream/fetch_wait_seconds": self.fetch_wait_seconds,
        }


def verdict(figures: Figures, elapsed_seconds: float, waited_seconds: float, workers: int) -> str:
    """One line: how much the trainer waited, what for, and what would help."""
    share = waited_seconds / max(elapsed_seconds, 1e-9)
    line = f"the trainer waited {100 * share:.1f}% of the time for data"
    if share < 0.01 or not figures.samples:
        return f"{line}; the stream keeps up"
    if figures.fetch_wait_seconds > figures.decode_seconds:
        return f"{line}; reading is the bottleneck ({_slowest(figures)})"
    if not workers:
        return f"{line}; decode runs in the trainer's own process: set stream.num_workers"
    busy = figures.decode_seconds / max(elapsed_seconds - waited_seconds, 0.01 * elapsed_seconds)
    more = max(1, int(np.ceil(busy)) - workers)
    return (
        f"{line}; decode is the bottleneck: with {more} more a rank (stream.num_workers) the "
        "stream would keep up"
    )


def _slowest(figures: Figures) -> str:
    if not figures.read_seconds:
        return "all from the disk cache"
    return f"99% of reads within {figures.read_percentile(99):.2f} s"


class Meter:
    """Collects one worker's figures between two batches."""

    def __init__(self) -> None:
        self._sums: dict[str, Any] = _zeros()
        self._reads: list[float] = []
        self._warnings: list[str] = []

    def count(self, **values: float) -> None:
        """Adds to the named figures."""
        for name, value in values.items():
            self._sums[name] += value

    def note_read(self, seconds: float) -> None:
        """Notes how long one request took."""
        self.count(reading_seconds=seconds)
        self._reads.append(seconds)

    def warn(self, warning: str) -> None:
        """Notes what the user should know."""
        self._warnings.append(warning)

    def take(self) -> Figures:
        """The figures since the last take."""
        taken = Figures(
            **self._sums, read_seconds=tuple(self._reads), warnings=tuple(self._warnings)
        )
        self._sums, self._reads, self._warnings = _zeros(), [], []
        return taken


def _zeros() -> dict[str, Any]:
    return {field.name: field.default for field in fields(Figures) if field.default != ()}


def finished(figures: Figures) -> Figures:
    """`figures` of a batch that is ready now, in a worker."""
    return replace(figures, queued_seconds=-time.monotonic())


def taken(figures: Figures) -> Figures:
    """`figures` of a `finished` batch that the trainer, on the same machine, takes now."""
    return replace(figures, queued_seconds=figures.queued_seconds + time.monotonic())
