"""webdataset: shards from front to back, its own tar reading, a shuffle buffer of encoded samples.

It has no state to resume from: one runs its loader up to where one was and drops the batches
(`state: batches`), or, knowing how many samples each worker had given, skips them before they are
decoded (`state: samples`).
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any, BinaryIO

import webdataset as wds

from benchmarks.contest.decoding import Decoder
from benchmarks.contest.job import Job
from replai.core import storage
from replai.core.record import SampleRecord
from replai.stream.collate import collate_visits
from replai.stream.decode import Decoded

BUFFER_SAMPLES, INITIAL_SAMPLES = 64, 16
"""Of the shuffle buffer. Its default of 100 before the first is given would delay that."""
NUM_CACHED_BYTES = 1 << 23
"""A shard of the contest in one request."""


class Webdataset:
    """WebDataset → shuffle → decode → batches in the workers, WebLoader with workers that stay.

    Each worker's last batch of an epoch is a smaller one: what is decoded is given.
    """

    def __init__(self, job: Job) -> None:
        wds.gopen_schemes["s3"] = _open_s3
        decoder = Decoder()

        def decoded(sample: dict[str, Any]) -> Decoded:
            return decoder(sample["__key__"], sample["mp4"], sample["json"])

        urls = [url for url in storage.list_files(job.data) if url.endswith(".tar")]
        urls *= job.repeats
        random.Random(0).shuffle(urls)
        samples = (
            wds.WebDataset(urls, shardshuffle=len(urls), seed=0)
            .select(_has_moment)
            .shuffle(BUFFER_SAMPLES, initial=INITIAL_SAMPLES)
        )
        if skipped := job.state.get("samples", 0):
            samples = samples.slice(skipped // job.num_workers, 1 << 60)
        dataset = samples.map(decoded).batched(
            job.batch_size, collation_fn=collate_visits, partial=True
        )
        self._loader = wds.WebLoader(
            dataset, batch_size=None, num_workers=job.num_workers, persistent_workers=True
        )
        self._skipped_batches = job.state.get("batches", 0)

    def epoch(self) -> Iterator[int]:
        """Moments of each batch, after those that a resume drops."""
        for number, batch in enumerate(self._loader):
            if number >= self._skipped_batches:
                yield len(batch)
        self._skipped_batches = 0

    def state(self) -> dict[str, Any]:
        """None: the contest tells how much to skip."""
        return {}


def _has_moment(sample: dict[str, Any]) -> bool:
    return bool(SampleRecord.from_json(sample["json"]).moments)


def _open_s3(url: str, *_arguments: Any, **_options: Any) -> BinaryIO:
    """A shard read from front to back by s3fs, whose client is made here, in the worker."""
    fs, path = storage.filesystem(url)
    opened: BinaryIO = fs.open(path, "rb", block_size=NUM_CACHED_BYTES, cache_type="readahead")
    return opened


def open_contestant(job: Job) -> Webdataset:
    """webdataset, for `job`."""
    return Webdataset(job)
