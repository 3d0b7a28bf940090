"""LitData: chunks copied whole to a local folder, or mapped into memory where they lie."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

from litdata import StreamingDataLoader, StreamingDataset
from litdata.streaming import downloader

from benchmarks.contest.decoding import Decoder
from benchmarks.contest.job import Job
from replai.core import storage
from replai.stream.collate import collate_visits
from replai.stream.decode import Decoded


class Litdata:
    """Its own loader, with its defaults for everything that it chooses itself.

    It drops the samples of an incomplete batch before it reads them.
    """

    def __init__(self, job: Job) -> None:
        decoder = Decoder()

        def decoded(sample: dict[str, Any]) -> Decoded:
            return decoder(sample["key"], bytes(sample["mp4"]), bytes(sample["json"]))

        # It has no option for a store without TLS, such as one on loopback.
        downloader._OBSTORE_CLIENT_OPTIONS["allow_http"] = "true"
        is_local = storage.is_local(job.data)
        dataset = StreamingDataset(
            job.data,
            cache_dir=None if is_local else job.cache,
            shuffle=True,
            drop_last=True,
            storage_options=None if is_local else _s3_options(),
            transform=decoded,
        )
        self._loader = StreamingDataLoader(
            dataset,
            batch_size=job.batch_size,
            num_workers=job.num_workers,
            collate_fn=collate_visits,
            persistent_workers=True,
        )
        if job.state:
            self._loader.load_state_dict(job.state)

    def epoch(self) -> Iterator[int]:
        """Moments of each batch."""
        return (len(batch) for batch in self._loader)

    def state(self) -> dict[str, Any]:
        """Its loader's own."""
        return dict(self._loader.state_dict())


def _s3_options() -> dict[str, str]:
    return {
        "endpoint_url": os.environ["AWS_ENDPOINT_URL"],
        "aws_access_key_id": os.environ["AWS_ACCESS_KEY_ID"],
        "aws_secret_access_key": os.environ["AWS_SECRET_ACCESS_KEY"],
    }


def open_contestant(job: Job) -> Litdata:
    """LitData, for `job`."""
    return Litdata(job)
