"""The trainer's step fed by the stream, and fed from memory."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

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
from replai.training.feed import Feed

MANY_EPOCHS = 1_000_000


@dataclass(frozen=True)
class Fed:
    """What fed steps took."""

    steps: int
    seconds: float
    idle_seconds: float
    """Of the device, for want of a batch."""


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


def fed_by(
    batches: Iterable[AVBatch], step: Step, device: torch.device, skipped: int, count: int
) -> Fed:
    """`count` steps on `batches`, after `skipped` ones that have what lay ready."""
    feed = Feed(device)
    placed: Iterator[tuple[Views, Rows]] = ((one.views, one.rows) for one in feed(batches))
    seconds(step, itertools.islice(placed, skipped), device)
    before = feed.idle_seconds()
    wait_for(device)
    started = time.perf_counter()
    seconds(step, itertools.islice(placed, count), device)
    taken = time.perf_counter() - started
    return Fed(count, taken, feed.idle_seconds() - before)
