"""Decode with samples in memory, whose batches torch's DataLoader hands over: bare decode, and what
every loader of this contest pays to get a batch out of a worker.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from typing import Any

from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from benchmarks.contest.bare import in_memory, places_of_worker
from benchmarks.contest.decoding import DECODE
from benchmarks.contest.job import Job
from replai.core.index import open_index
from replai.stream.collate import AVBatch, collate_visits
from replai.stream.decode import decode_sample
from replai.stream.plan import batches_per_epoch
from replai.stream.sampling import qualifying_items
from replai.views import reach


class Batches(IterableDataset[AVBatch]):
    """One worker's batches, decoded and collated there."""

    def __init__(self, job: Job) -> None:
        self._job = job

    def __iter__(self) -> Iterator[AVBatch]:
        worker = get_worker_info()
        assert worker is not None
        samples = in_memory(self._job)
        places = places_of_worker(self._job, worker.id)
        while group := list(islice(places, self._job.batch_size)):
            yield collate_visits(
                [decode_sample(replace(samples[p.item], place=p), DECODE) for p in group]
            )


class Handed:
    """Runs on through its epochs, as ours does."""

    def __init__(self, job: Job) -> None:
        items = qualifying_items(open_index(job.data), DECODE.sampling, reach(DECODE.views), True)
        self._batches_per_epoch = batches_per_epoch(len(items), job.batch_size)
        loader = DataLoader(
            Batches(job),
            batch_size=None,
            num_workers=job.num_workers,
            multiprocessing_context="forkserver",
        )
        self._batches = iter(loader)

    def epoch(self) -> Iterator[int]:
        """Moments of each batch."""
        return (len(batch) for batch in islice(self._batches, self._batches_per_epoch))

    def state(self) -> dict[str, Any]:
        """None: it is no loader."""
        return {}


def open_contestant(job: Job) -> Handed:
    """Decode and hand over, for `job`."""
    return Handed(job)
