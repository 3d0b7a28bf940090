"""MosaicML streaming: MDS shards copied whole to a local folder, then read at random."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from streaming import StreamingDataLoader, StreamingDataset

from benchmarks.contest.decoding import Decoder
from benchmarks.contest.job import Job
from replai.core import storage
from replai.stream.collate import AVBatch, collate_visits
from replai.stream.decode import Decoded


class DecodedSamples(StreamingDataset):  # type: ignore[misc]
    """Decodes in the worker, as its documentation does in `__getitem__`."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._decoder = Decoder()

    def __getitem__(self, at: Any) -> Decoded:
        """One visit."""
        sample = super().__getitem__(at)
        return self._decoder(sample["key"], sample["mp4"], sample["json"])


class Mds:
    """Its own loader, with its defaults for everything that it chooses itself.

    The last batch of an epoch is a smaller one: it would be decoded, and then dropped.
    """

    def __init__(self, job: Job) -> None:
        is_local = storage.is_local(job.data)
        dataset = DecodedSamples(
            local=job.data if is_local else job.cache,
            remote=None if is_local else job.data,
            shuffle=True,
            batch_size=job.batch_size,
        )
        self._loader = StreamingDataLoader(
            dataset,
            batch_size=job.batch_size,
            num_workers=job.num_workers,
            collate_fn=_batch,
            persistent_workers=True,
        )
        if job.state:
            self._loader.load_state_dict(job.state)

    def epoch(self) -> Iterator[int]:
        """Moments of each batch."""
        return (len(batch["batch"]) for batch in self._loader)

    def state(self) -> dict[str, Any]:
        """Its loader's own."""
        return dict(self._loader.state_dict())


def _batch(visits: list[Decoded]) -> dict[str, AVBatch]:
    return {"batch": collate_visits(visits)}  # it counts the samples of a dict's first value


def open_contestant(job: Job) -> Mds:
    """MosaicML streaming, for `job`."""
    return Mds(job)
