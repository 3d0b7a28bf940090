"""Ours: the stream as a trainer uses it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from typing import Any

import pyarrow as pa

from benchmarks.contest.decoding import DECODE
from benchmarks.contest.job import Job
from replai.core.index import DatasetIndex, open_index
from replai.stream.cache import CacheConfig
from replai.stream.loader import AVStream, StreamConfig
from replai.stream.plan import StreamState
from replai.stream.request import S3Client


class Ours:
    """Runs on through its epochs; one more than are asked for, so that none ends in a drain."""

    def __init__(self, job: Job) -> None:
        cache = CacheConfig(folder=job.cache)
        self._stream = AVStream(
            _repeated(open_index(job.data), job.repeats),
            DECODE.views,
            sampling=DECODE.sampling,
            crop=DECODE.crop,
            batch_size=job.batch_size,
            num_epochs=job.num_epochs + 1,
            config=StreamConfig(
                num_workers=job.num_workers,
                cache=cache,
                s3_client=S3Client(job.s3_client),
                read_unit=job.read_unit,
            ),
        )
        if job.state:
            self._stream.load_state(StreamState.from_dict(job.state))
        self._batches = iter(self._stream)

    def epoch(self) -> Iterator[int]:
        """Moments of each batch."""
        left = self._stream.batches_per_epoch - self._stream.state.batch
        return (len(batch) for batch in islice(self._batches, left))

    def state(self) -> dict[str, Any]:
        """The stream's own."""
        return self._stream.state.to_dict()


def _repeated(index: DatasetIndex, times: int) -> DatasetIndex:
    """The index of a dataset whose shards come so many times."""
    header = replace(index.header, num_samples=times * index.header.num_samples)
    part = replace(index.parts[0], num_samples=header.num_samples)
    table = pa.concat_tables([index.table] * times)
    return replace(index, header=header, parts=(part,), table=table)


def open_contestant(job: Job) -> Ours:
    """Ours, for `job`."""
    return Ours(job)
