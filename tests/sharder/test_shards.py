"""One shard: a plain tar of reproducible bytes, and offsets that say where its samples are."""

from __future__ import annotations

import hashlib
import io
import tarfile
import zlib
from pathlib import Path

import numpy as np
import pytest
import webdataset

from replai.core.record import AudioFacts, Moment, SampleRecord, VideoFacts
from sharder.shards import Sample, WrittenShard, write_shard


def sample(number: int, size: int) -> Sample:
    record = SampleRecord(
        video_id="кухня.1",
        start_seconds=number + 1 / 3,
        duration_seconds=2.5,
        video=VideoFacts(width=64, height=48, fps=16.0, codec="h264"),
        audio=AudioFacts(sample_rate_hz=48000 * (number % 2), channels=2 * (number % 2)),
        moments=tuple(Moment(seconds=0.1 * i, prominence=None) for i in range(number)),
        actions=(),
    )
    return Sample(key=f"k_{number:03d}", media=bytes([number]) * size, record=record)


SIZES = (0, 1, 511, 512, 513, 1024, 5000)
SAMPLES = [sample(number, size) for number, size in enumerate(SIZES)]


@pytest.fixture
def written() -> tuple[bytes, WrittenShard]:
    file = io.BytesIO()
    facts = write_shard(iter(SAMPLES), file)
    return file.getvalue(), facts


def test_a_plain_tarfile_reads_it(written: tuple[bytes, WrittenShard]) -> None:
    with tarfile.open(fileobj=io.BytesIO(written[0]), mode="r:") as tar:
        members = tar.getmembers()
        contents = [tar.extractfile(m).read() for m in members]  # type: ignore[union-attr]
    assert [m.name for m in members] == [
        f"{one.key}.{kind}" for one in SAMPLES for kind in ("mp4", "json")
    ]
    assert {(m.mode, m.mtime, m.uid, m.gid, m.uname, m.gname, m.isreg()) for m in members} == {
        (0o444, 0, 0, 0, "", "", True)
    }
    assert contents[::2] == [one.media for one in SAMPLES]
    assert [SampleRecord.from_json(data) for data in contents[1::2]] == [s.record for s in SAMPLES]


def test_it_is_ustar_and_whole_records(written: tuple[bytes, WrittenShard]) -> None:
    data, facts = written
    assert data[257:265] == b"ustar\x0000"
    assert len(data) % tarfile.RECORDSIZE == 0
    assert data.endswith(bytes(1024))
    assert (facts.size, facts.md5) == (len(data), hashlib.md5(data).hexdigest())


def test_the_bytes_depend_on_the_samples_alone(written: tuple[bytes, WrittenShard]) -> None:
    again = io.BytesIO()
    write_shard(SAMPLES, again)
    assert again.getvalue() == written[0]


def test_rows_say_where_each_sample_is(written: tuple[bytes, WrittenShard]) -> None:
    data, facts = written
    assert len(facts.rows) == len(SAMPLES)
    for number, (row, one) in enumerate(zip(facts.rows, SAMPLES, strict=True)):
        part = data[row.offset : row.offset + row.size]
        assert zlib.crc32(part) == row.crc32
        with tarfile.open(fileobj=io.BytesIO(part), mode="r:") as tar:
            assert tar.getnames() == [f"{one.key}.mp4", f"{one.key}.json"]
        assert (row.key, row.video_id, row.start_seconds) == (one.key, "кухня.1", number + 1 / 3)
        assert (row.duration_seconds, row.num_moments, row.num_actions) == (2.5, number, 0)
        assert row.has_audio == bool(number % 2)


def test_energons_offsets_are_those_it_would_find_itself(
    written: tuple[bytes, WrittenShard],
) -> None:
    """As in Energon's preparation: the first member of each key, then where the reading ended."""
    data, facts = written
    offsets, key = [], ""
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:*") as tar:
        for member in tar:
            if member.name.split(".")[0] != key:
                key = member.name.split(".")[0]
                offsets.append(member.offset)
        offsets.append(tar.offset)
    assert np.frombuffer(facts.energon_offsets, "<u8").tolist() == offsets


# webdataset leaves the file it has read to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")
def test_webdataset_reads_it(written: tuple[bytes, WrittenShard], tmp_path: Path) -> None:
    (tmp_path / "train-000000.tar").write_bytes(written[0])
    url = str(tmp_path / "train-000000.tar")
    found = list(webdataset.WebDataset(url, shardshuffle=False))
    assert [one["__key__"] for one in found] == [one.key for one in SAMPLES]
    assert [one["mp4"] for one in found] == [one.media for one in SAMPLES]
    assert [one["json"] for one in found] == [one.record.to_json() for one in SAMPLES]


def test_no_samples_make_an_empty_tar() -> None:
    file = io.BytesIO()
    assert write_shard([], file).rows == ()
    with tarfile.open(fileobj=io.BytesIO(file.getvalue()), mode="r:") as tar:
        assert tar.getnames() == []
