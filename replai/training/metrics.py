"""What a run says of itself: metrics.jsonl, TensorBoard, one progress line."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from types import TracebackType
from typing import IO

from torch.utils.tensorboard import SummaryWriter

from replai.core import storage

METRICS_NAME = "metrics.jsonl"


class MetricsLog:
    """Appends rows of named numbers to DIR/metrics.jsonl and to TensorBoard files in DIR.

    On resume, rows past the step that is resumed from are dropped: each step stands once.
    """

    def __init__(self, directory: Path, resumed_step: int) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        path = directory / METRICS_NAME
        self._kept = [row for row in read_metrics(path) if row["step"] <= resumed_step]
        text = "".join(json.dumps(row) + "\n" for row in self._kept)
        storage.write_local_atomically(path, text.encode())
        self._file: IO[str] = path.open("a")
        self._board = SummaryWriter(str(directory), purge_step=resumed_step + 1)

    def __enter__(self) -> MetricsLog:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with suppress(OSError) if error else nullcontext():  # as of a full disk, told already
            try:
                self._file.close()
            finally:
                self._board.close()

    def holds(self, step: int, prefix: str) -> bool:
        """Whether a row of an earlier process, of `step`, has a number whose name begins so."""
        rows = [row for row in self._kept if row["step"] == step]
        return any(name.startswith(prefix) for row in rows for name in row)

    def write(self, step: int, values: dict[str, float]) -> None:
        """One row: `values` after `step` steps."""
        self._file.write(json.dumps({"step": step, **values}) + "\n")
        self._file.flush()
        for name, value in values.items():
            self._board.add_scalar(name, value, step)


def read_metrics(path: Path) -> list[dict[str, float]]:
    """The rows of a metrics.jsonl, without lines that are none, as one cut short by a crash."""
    if not path.exists():
        return []
    rows = []
    for line in path.read_bytes().splitlines():
        with suppress(ValueError):
            row = json.loads(line)
            if isinstance(row, dict) and "step" in row:
                rows.append(row)
    return rows


class Pace:
    """Moments a second, and the share of time spent waiting for data, since the last question."""

    def __init__(self) -> None:
        self._moments = 0
        self._waited_before = 0.0
        self._begun = self._started = time.perf_counter()

    def count(self, moments: int) -> None:
        """Counts moments that went through the model."""
        self._moments += moments

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Leaves out the time that the body takes, and nothing that was counted before it."""
        begun = time.perf_counter()
        yield
        seconds = time.perf_counter() - begun
        self._started += seconds
        self._begun += seconds

    def running_seconds(self) -> float:
        """Since the beginning, without pauses."""
        return time.perf_counter() - self._begun

    def since_last(self, waited_seconds: float) -> tuple[float, dict[str, float]]:
        """(seconds, the figures of them); `waited_seconds` is the run's total so far."""
        now = time.perf_counter()
        elapsed = max(now - self._started, 1e-9)
        figures = {
            "moments_per_second": self._moments / elapsed,
            "wait_share": (waited_seconds - self._waited_before) / elapsed,
        }
        self._moments, self._waited_before, self._started = 0, waited_seconds, now
        return elapsed, figures


def progress_line(step: int, num_steps: int, seconds_left: float, values: dict[str, float]) -> str:
    """One line: where the run stands, how it goes, how long it will still take."""
    named = "  ".join(f"{name} {value:.4g}" for name, value in values.items())
    return f"step {step}/{num_steps}  {named}  left {_clock(seconds_left)}"


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}"
