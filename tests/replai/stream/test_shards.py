"""Shards that are not what the index says: gone, cut, replaced, or another dataset's."""

from __future__ import annotations

import gc
import io
import os
import shutil
import tarfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import fsspec
import pytest
import s3fs

from replai.core import storage
from replai.core.errors import UserError
from replai.core.index import DatasetIndex, open_index
from replai.stream.loader import AVStream
from replai.stream.quarantine import BadSampleConfig
from replai.stream.shards import first_key
from tests.replai.stream.streams import make_stream
from tools.seaweed import running_s3

pytestmark = pytest.mark.filterwarnings("ignore:This DataLoader will create")
LENIENT = BadSampleConfig(max_share=1.0, max_in_a_row=100)
MANY_EPOCHS = 200
with_workers = pytest.mark.parametrize(
    ("root", "workers"), [("local", 0), ("local", 2), ("s3", 0)], indirect=["root"]
)
"""The fork server of workers may be older than the S3 server, and know no credentials of it."""


@pytest.fixture(scope="module")
def bucket() -> Iterator[str]:
    """s3://… on a real server."""
    before = dict(os.environ)
    with running_s3() as server:
        bucket = server.make_bucket("shards")
        os.environ.update(server.environment)
        s3fs.S3FileSystem.clear_instance_cache()
        yield f"s3://{bucket}"
        s3fs.S3FileSystem.clear_instance_cache()
        gc.collect()  # closes the connections, for which the server would wait
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture(params=["local", "s3"])
def root(request: pytest.FixtureRequest, small_root: Path, tmp_path: Path) -> str:
    """A copy of the small dataset that may be changed."""
    if request.param == "local":
        return str(shutil.copytree(small_root, tmp_path / "root"))
    bucket = request.getfixturevalue("bucket")
    fsspec.filesystem("s3").put(f"{small_root}/", f"{bucket}/{tmp_path.name}/", recursive=True)
    return f"{bucket}/{tmp_path.name}"


def trouble_after_a_batch(stream: AVStream, happens: Any) -> str:
    """The one line with which `stream` ends when `happens` after its first batch."""
    batches = iter(stream)
    next(batches)
    happens()
    with pytest.raises(UserError) as caught:
        for _ in batches:
            pass
    assert "\n" not in str(caught.value)
    return str(caught.value)


def first_shard(root: str) -> str:
    return open_index(root).shard_urls[0]


@with_workers
def test_a_shard_deleted_in_mid_run(root: str, workers: int) -> None:
    url = first_shard(root)
    stream = make_stream(root, workers=workers, num_epochs=MANY_EPOCHS)
    said = trouble_after_a_batch(stream, lambda: storage.remove_files([url]))
    assert said == f"no such file, folder or bucket: {url}"


@with_workers
def test_a_shard_replaced_in_mid_run(root: str, workers: int) -> None:
    url = first_shard(root)
    packed = storage.read_bytes(url)
    other = b"\0" * 1024 + packed
    stream = make_stream(root, workers=workers, num_epochs=MANY_EPOCHS, bad_samples=LENIENT)
    said = trouble_after_a_batch(stream, lambda: storage.write_bytes(url, other))
    assert said.startswith(f"{url} has {len(other)} bytes, shards.json says {len(packed)}: ")


def test_a_shard_cut_between_two_samples(root: str) -> None:
    index = open_index(root)
    url, packed = index.shard_urls[0], index.shard_sizes[0]
    last = max(index.column("offset")[index.column("shard") == 0])
    storage.write_bytes(url, storage.read_bytes(url)[:last])
    with pytest.raises(UserError) as caught:
        list(make_stream(root, bad_samples=LENIENT))
    assert str(caught.value).startswith(f"{url} has {last} bytes, shards.json says {packed}: ")


def test_a_shard_of_the_right_size_has_bad_samples(small_root: Path, tmp_path: Path) -> None:
    """Its other samples may be good: the limits for bad ones decide."""
    root = str(shutil.copytree(small_root, tmp_path / "root"))
    url = first_shard(root)
    storage.write_bytes(url, b"\0" * len(storage.read_bytes(url)))
    stream = make_stream(root, bad_samples=LENIENT)
    assert len(list(stream)) == 2 * stream.batches_per_epoch
    assert stream.quarantine.count >= 5


def test_an_index_whose_offsets_are_another_packs(small_root: Path) -> None:
    index = open_index(str(small_root))
    stream = make_stream(small_root, bad_samples=BadSampleConfig(max_share=0.0))
    task = replace(stream._task, index=_rotated(index))
    stream._task = task
    with pytest.raises(UserError, match=r"crc32; 'P.*' is stored there"):
        list(stream)


def _rotated(index: DatasetIndex) -> DatasetIndex:
    """The index with the samples of its first shard in another order."""
    table = index.table.to_pylist()
    mine = [row for row in table if row["shard"] == 0]
    ranges = [(row["offset"], row["size"]) for row in mine]
    for row, (offset, size) in zip(mine, ranges[1:] + ranges[:1], strict=True):
        row.update(offset=offset, size=size)
    return replace(index, table=index.table.from_pylist(table, schema=index.table.schema))


def test_the_first_key_of_some_bytes() -> None:
    for name in ("P01_01.mp4", "a folder/Küche.json", "x" * 90 + "/" + "y" * 90 + ".mp4"):
        header = tarfile.TarInfo(name).tobuf(tarfile.USTAR_FORMAT)
        assert first_key(header + b"video") == name.split(".")[0]
        assert first_key(header[:200]) is None
    assert first_key(io.BytesIO().getvalue()) is first_key(b"\0" * 600) is None
