"""The trainer's step fed by the stream, and fed from memory."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import torch

from benchmarks.steps.size import Size
from benchmarks.steps.turns import seconds
from benchmarks.steps.ways import Step, Views, wait_for
from replai.core.index import DatasetIndex
from replai.models import Encoders
from replai.objectives import Rows, make_objective
from replai.stream.collate import AVBatch
from replai.stream.loader import AVStream, StreamConfig
from replai.stream.sampling import SamplingConfig
from replai.training.feed import Feed, Placed

MANY_EPOCHS = 1_000_000


@dataclass(frozen=True)
class Fed:
    """What fed steps took."""

    steps: int
    seconds: float
    idle_seconds: float
    """Of the device, for want of a batch."""

    @property
    def seconds_a_step(self) -> float:
        """On the wall's clock."""
        return self.seconds / self.steps


@dataclass(frozen=True)
class FeedRound:
    """One turn of each: steps that the stream feeds, that memory feeds, on one batch there."""

    streamed: Fed
    from_memory: Fed
    resident: Fed


def open_stream(index: DatasetIndex, size: Size, num_workers: int, per_visit: int = 1) -> AVStream:
    """The stream of a training run without end."""
    views = make_objective(size.objective, Encoders(size.encoders)).views
    return AVStream(
        index,
        views,
        sampling=SamplingConfig(per_visit=per_visit),
        crop=size.crop,
        batch_size=size.batch,
        num_epochs=MANY_EPOCHS,
        config=StreamConfig(num_workers=num_workers),
    )


def decoded_batches(stream: AVStream, count: int) -> tuple[list[AVBatch], float]:
    """(`count` batches, CPU seconds of each moment), decoded in this process after a first one."""
    batches = iter(stream)
    next(batches)
    started = time.process_time()
    found = list(itertools.islice(batches, count))
    return found, (time.process_time() - started) / sum(map(len, found))


def feed_rounds(
    stream: AVStream, decoded: Sequence[AVBatch], placed: Placed, step: Step, size: Size,
    device: torch.device, skipped: int,
) -> list[FeedRound]:  # fmt: skip
    """Turns of each in rounds, every second round in the opposite order. Of what the stream's
    workers made ready meanwhile, `skipped` batches, no step counts."""
    streamed, in_memory = iter(stream), itertools.cycle(decoded)
    resident = itertools.repeat((placed.views, placed.rows))
    turns: dict[str, Callable[[], Fed]] = {
        "streamed": lambda: fed_by(streamed, step, device, skipped, size.fed_steps),
        "from_memory": lambda: fed_by(in_memory, step, device, 2, size.fed_steps),
        "resident": lambda: _timed(step, resident, device, size.fed_steps),
    }
    found = []
    for number in range(size.fed_rounds):
        fed = {name: turns[name]() for name in list(turns)[:: 1 if number % 2 == 0 else -1]}
        found.append(FeedRound(**fed))
        told = "  ".join(f"{name} {1000 * one.seconds_a_step:.2f}" for name, one in fed.items())
        print(f"round {number + 1}  ms a step: {told}", flush=True)
    return found


def fed_by(
    batches: Iterable[AVBatch], step: Step, device: torch.device, skipped: int, count: int
) -> Fed:
    """`count` steps on `batches`, after `skipped` ones that have what lay ready."""
    feed = Feed(device)
    placed: Iterator[tuple[Views, Rows]] = ((one.views, one.rows) for one in feed(batches))
    seconds(step, itertools.islice(placed, skipped), device)
    before = feed.idle_seconds()
    fed = _timed(step, placed, device, count)
    return replace(fed, idle_seconds=feed.idle_seconds() - before)


def _timed(
    step: Step, placed: Iterator[tuple[Views, Rows]], device: torch.device, count: int
) -> Fed:
    wait_for(device)
    started = time.perf_counter()
    seconds(step, itertools.islice(placed, count), device)
    return Fed(count, time.perf_counter() - started, 0.0)
