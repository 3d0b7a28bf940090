"""The small dataset on a real S3 server behind a proxy that spoils reads, and streams of it."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import fsspec
import s3fs
import torch

from replai.core.index import DatasetIndex, open_index
from replai.core.obstore_reads import forget_client
from replai.stream.collate import AVBatch
from replai.stream.crops import CropConfig
from replai.stream.loader import AVStream, StreamConfig
from replai.stream.quarantine import BadSampleConfig
from replai.stream.retry import RetryConfig
from replai.stream.sampling import SamplingConfig
from replai.views import AudioView, VideoView
from tests.faults import FaultyProxy, running_proxy
from tools.seaweed import running_s3

URL = "s3://faults/data"
PASSING = ("500", "503", "reset before", "reset inside", "stall", "short", "cut", "wrong bytes")
"""Faults of the proxy that a further request may not meet."""
VIEWS = (
    VideoView(name="clip", start_seconds=0.1, duration_seconds=0.5, num_frames=8),
    AudioView(name="sound", start_seconds=-0.5, duration_seconds=1.0),
)
CROP = CropConfig(size_pixels=16, min_short_side=16, max_short_side=20)
RETRY = RetryConfig(
    attempt_seconds=2.0, total_seconds=20.0, first_wait_seconds=0.01, longest_wait_seconds=0.05,
    hedge_seconds=0.0,
)  # fmt: skip
CONFIG = StreamConfig(
    num_workers=0, retry=RETRY, bad_samples=BadSampleConfig(max_share=1.0, max_in_a_row=100)
)


@contextlib.contextmanager
def proxied_dataset(root: Path) -> Iterator[FaultyProxy]:
    """A proxy before a server that holds `root` at `URL`; the environment leads to it."""
    before = dict(os.environ)
    with running_s3() as server, running_proxy(server.endpoint) as proxy:
        bucket = server.make_bucket("faults")
        os.environ.update(server.environment)
        fsspec.filesystem("s3").put(f"{root}/", f"{bucket}/data/", recursive=True)
        s3fs.S3FileSystem.clear_instance_cache()
        os.environ["AWS_ENDPOINT_URL"] = proxy.endpoint
        forget_client()
        yield proxy
    os.environ.clear()
    os.environ.update(before)
    s3fs.S3FileSystem.clear_instance_cache()
    forget_client()


def make_stream(
    config: StreamConfig = CONFIG, path: Path | None = None, **changes: Any
) -> AVStream:
    """One epoch of batches of 4 from `URL`, but for what is given; bad samples go to `path`."""
    index = changes.pop("index", None) or open_index(URL)
    arguments: dict[str, Any] = {"views": VIEWS, "num_epochs": 1, "batch_size": 4, **changes}
    return AVStream(
        index, sampling=SamplingConfig(), crop=CROP, config=config,
        quarantine_path=path, **arguments,
    )  # fmt: skip


def assert_equal(batches: list[AVBatch], others: list[AVBatch]) -> None:
    assert [batch.keys for batch in batches] == [batch.keys for batch in others]
    for batch, other in zip(batches, others, strict=True):
        assert all(torch.equal(view, other.views[name]) for name, view in batch.views.items())


def broken_at(index: DatasetIndex, key: str) -> DatasetIndex:
    """The index with another crc32 for one sample: its bytes are never right."""
    keys = index.table.column("key").to_pylist()
    crc32 = index.column("crc32").copy()
    crc32[keys.index(key)] ^= 1
    position = index.table.schema.get_field_index("crc32")
    return replace(index, table=index.table.set_column(position, "crc32", [crc32]))


def place_of(index: DatasetIndex, key: str) -> tuple[str, int, int]:
    """(path, start, stop) of sample `key`, as the proxy knows it once `index` stands at `URL`."""
    (row,) = [row for row in index.table.to_pylist() if row["key"] == key]
    name = index.shard_urls[row["shard"]].rpartition("/")[2]
    where = urlsplit(f"{URL}/shards/{name}")
    return f"/{where.netloc}{where.path}", row["offset"], row["offset"] + row["size"]


def between_neighbours(index: DatasetIndex, batches: list[AVBatch]) -> tuple[int, int]:
    """(batch, slot) of a sample that one request brings along with one before and one behind."""
    for number, batch in enumerate(batches):
        places = [place_of(index, key) for key in batch.keys]
        before, behind = {p[::2] for p in places}, {p[:2] for p in places}
        for slot, (path, start, stop) in enumerate(places):
            if (path, start) in before and (path, stop) in behind:
                return number, slot
    raise AssertionError("no sample of the small dataset comes between two others")


def replaced(batches: list[AVBatch], others: list[AVBatch]) -> list[tuple[int, int]]:
    """(batch, slot) of each sample that is not the same in both."""
    return [
        (number, slot)
        for number, (batch, other) in enumerate(zip(batches, others, strict=True))
        for slot, (key, other_key) in enumerate(zip(batch.keys, other.keys, strict=True))
        if key != other_key
    ]
