import io
import zlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from replai.core import storage
from replai.core.errors import SampleError, UserError
from replai.core.index import DatasetIndex
from replai.stream.fetch import Fetched, RangeReader, fetch
from replai.stream.plan import Place
from replai.stream.sampling import Items
from sharder.shards import Sample, WrittenShard, write_shard
from tests.replai.stream.small import index_of_shard, make_record

NUM_SAMPLES = 9


def written_shard() -> tuple[bytes, WrittenShard]:
    draw = np.random.default_rng(0)
    samples = [
        Sample(key=f"k{i}", media=draw.bytes(100 + 700 * i), record=make_record())
        for i in range(NUM_SAMPLES)
    ]
    file = io.BytesIO()
    written = write_shard(samples, file)
    return file.getvalue(), written


DATA, WRITTEN = written_shard()


@pytest.fixture(params=["local", "memory"])
def index(request: pytest.FixtureRequest, tmp_path: Path) -> DatasetIndex:
    root = {"local": f"{tmp_path}/my rööt", "memory": f"memory:/{tmp_path}"}[request.param]
    index = index_of_shard(WRITTEN, root)
    put(index, DATA)
    return index


def put(index: DatasetIndex, data: bytes) -> None:
    storage.write_bytes(index.shard_url(0), data)


def fetched(index: DatasetIndex, items: list[int], in_flight: int = 4) -> list[Fetched]:
    places = (Place(0, i, 0, i, item) for i, item in enumerate(items))
    return list(fetch(places, index, all_items(), in_flight))


def all_items() -> Items:
    return Items(np.arange(NUM_SAMPLES), np.arange(NUM_SAMPLES) + 100)


def own_bytes(row: int) -> bytes:
    facts = WRITTEN.rows[row]
    return DATA[facts.offset : facts.offset + facts.size]


@pytest.mark.parametrize("in_flight", [1, 3, 50])
def test_samples_come_in_the_order_of_their_places(index: DatasetIndex, in_flight: int) -> None:
    wanted = np.random.default_rng(0).integers(0, NUM_SAMPLES, 40).tolist()
    for number, one in enumerate(results := fetched(index, wanted, in_flight)):
        assert (one.place.position, one.row, one.ordinal) == (
            number, wanted[number], wanted[number] + 100,
        )  # fmt: skip
        assert one.data == own_bytes(wanted[number])
    assert len(results) == len(wanted)


def test_items_are_rows_of_the_index(index: DatasetIndex) -> None:
    items = Items(np.array([5, 2]), np.array([0, 7]))
    places = (Place(0, 0, slot, slot, slot) for slot in range(2))
    first, second = fetch(places, index, items, in_flight=2)
    assert (first.row, first.ordinal, first.data) == (5, 0, own_bytes(5))
    assert (second.row, second.ordinal, second.data) == (2, 7, own_bytes(2))


def test_no_places(index: DatasetIndex) -> None:
    assert fetched(index, []) == []


def test_a_cut_shard(index: DatasetIndex) -> None:
    last = WRITTEN.rows[-1]
    put(index, DATA[: last.offset + 10])
    assert len(fetched(index, list(range(NUM_SAMPLES - 1)))) == NUM_SAMPLES - 1
    with pytest.raises(SampleError, match=f"sample k8 in {index.shard_url(0)}: 10 of {last.size}"):
        fetched(index, list(range(NUM_SAMPLES)))
    put(index, DATA[: last.offset - 5])
    with pytest.raises(SampleError, match=f"sample k8 .*: 0 of {last.size} bytes"):
        fetched(index, [NUM_SAMPLES - 1])


def test_any_damaged_byte_is_seen(index: DatasetIndex) -> None:
    facts = WRITTEN.rows[3]
    for place in (facts.offset, facts.offset + 700, facts.offset + facts.size - 1):
        put(index, DATA[:place] + bytes([DATA[place] ^ 1]) + DATA[place + 1 :])
        with pytest.raises(
            SampleError, match=r"sample k3 in .*a\.tar: bytes do not match .* crc32"
        ):
            fetched(index, [3])
        assert len(fetched(index, [2, 4])) == 2


def test_good_samples_come_before_the_error(index: DatasetIndex) -> None:
    table = index.table.to_pylist()
    table[4]["crc32"] = zlib.crc32(b"other")
    broken = replace(index, table=index.table.from_pylist(table, schema=index.table.schema))
    stream = fetch((Place(0, i, 0, i, i) for i in range(9)), broken, all_items(), in_flight=8)
    assert [next(stream).row for _ in range(4)] == [0, 1, 2, 3]
    with pytest.raises(SampleError, match="sample k4"):
        next(stream)


def test_no_shard(index: DatasetIndex) -> None:
    storage.remove_files([index.shard_url(0)])
    with pytest.raises(UserError, match=f"no such file.*{index.shard_url(0)}"):
        fetched(index, [0])


def test_reads_nothing_in_flight_is_refused(index: DatasetIndex) -> None:
    with pytest.raises(UserError, match="reads in flight is 0"):
        fetched(index, [0], in_flight=0)


def open_files() -> set[str]:
    return {path.name for path in Path("/proc/self/fd").iterdir()}


def test_no_file_stays_open(tmp_path: Path) -> None:
    index = index_of_shard(WRITTEN, str(tmp_path))
    put(index, DATA)
    before = open_files()
    reader = RangeReader(index)
    assert [reader.read(row) for row in range(3)] == [own_bytes(row) for row in range(3)]
    assert open_files() == before


def test_places_are_not_taken_far_ahead(tmp_path: Path) -> None:
    index = index_of_shard(WRITTEN, str(tmp_path))
    put(index, DATA)
    taken: list[int] = []

    def places() -> Iterator[Place]:
        for i in range(9):
            taken.append(i)
            yield Place(0, i, 0, i, i)

    stream = fetch(places(), index, all_items(), in_flight=3)
    next(stream)
    assert taken == [0, 1, 2]
    stream.close()
