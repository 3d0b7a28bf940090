"""Bare decode: samples in memory, as many processes, no loader. What a stream cannot exceed."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterator
from dataclasses import replace
from multiprocessing.queues import SimpleQueue
from typing import Any

from benchmarks.contest.decoding import DECODE
from benchmarks.contest.job import Job
from replai.core.index import open_index
from replai.stream.decode import decode_sample
from replai.stream.fetch import Fetched
from replai.stream.loader import StreamConfig
from replai.stream.plan import Place, StreamState, batches_per_epoch, training_places
from replai.stream.reader import RangeReader
from replai.stream.retry import RetryConfig
from replai.stream.sampling import qualifying_items
from replai.stream.unpack import Unpacked, unpack_sample
from replai.stream.worker import live_with_trainer
from replai.views import reach


class Bare:
    """Processes that decode at the very places that our stream fills, and say so batch by batch."""

    def __init__(self, job: Job) -> None:
        self._job = job
        context = multiprocessing.get_context("spawn")
        self._done: SimpleQueue[int] = context.SimpleQueue()
        self._together = context.Barrier(job.num_workers)  # kept: the processes open it by name
        for worker in range(job.num_workers):
            context.Process(
                target=_decode_all, args=(job, worker, self._together, self._done), daemon=True
            ).start()
        items = qualifying_items(open_index(job.data), DECODE.sampling, reach(DECODE.views), True)
        self._batches_per_epoch = batches_per_epoch(len(items), job.batch_size)

    def epoch(self) -> Iterator[int]:
        """Moments of each batch."""
        for _ in range(self._batches_per_epoch):
            yield self._done.get()

    def state(self) -> dict[str, Any]:
        """None: it is no loader."""
        return {}


def _decode_all(job: Job, worker: int, together: Any, done: SimpleQueue[int]) -> None:
    live_with_trainer(worker)
    samples, places = in_memory(job), places_of_worker(job, worker)
    together.wait()
    for number, place in enumerate(places, start=1):
        decode_sample(replace(samples[place.item], place=place), DECODE)
        if number % job.batch_size == 0:
            done.put(job.batch_size)
    os._exit(0)


def places_of_worker(job: Job, worker: int) -> Iterator[Place]:
    """The places that our stream has this worker fill."""
    index = open_index(job.data)
    items = qualifying_items(index, DECODE.sampling, reach(DECODE.views), True)
    state = StreamState(seed=0, epoch=0, batch=0, dataset_hash=index.header.dataset_hash)
    return training_places(
        state,
        mix=replace(items.mix, unit=StreamConfig().read_unit),
        global_batch=job.batch_size,
        num_epochs=job.num_epochs + 1,
        worker=worker,
        num_workers=job.num_workers,
    )


def in_memory(job: Job) -> list[Unpacked]:
    """All items that qualify, read and unpacked."""
    index = open_index(job.data)
    items = qualifying_items(index, DECODE.sampling, reach(DECODE.views), True)
    reader, nowhere = RangeReader(index, RetryConfig()), Place(0, 0, 0, 0, 0)
    return [
        unpack_sample(Fetched(nowhere, row, 0, reader.read(row).data))
        for row in items.rows.tolist()
    ]


def open_contestant(job: Job) -> Bare:
    """Bare decode, for `job`."""
    return Bare(job)
