import io
import re
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from threading import Thread

import numpy as np
import pytest

from replai.core import storage
from replai.core.errors import UserError
from replai.core.index import DatasetIndex
from replai.stream.fetch import (
    GROUPS_AHEAD,
    MOST_IN_A_GROUP,
    MOST_IN_FLIGHT,
    Failed,
    Fetched,
    fetch,
    fetch_one,
    groups,
)
from replai.stream.figures import Meter
from replai.stream.order import one_dataset
from replai.stream.plan import Place
from replai.stream.reader import RangeReader
from replai.stream.retry import RetryConfig
from replai.stream.sampling import Items
from replai.stream.store import Outcome, Read
from sharder.shards import Sample, WrittenShard, write_shard
from tests.replai.stream.small import index_of_shard, make_index, make_record

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
    storage.write_bytes(index.shard_urls[0], data)


def reader(index: DatasetIndex) -> RangeReader:
    return RangeReader(index, RetryConfig(first_wait_seconds=0.001))


def fetched(
    index: DatasetIndex, items: list[int], budget_bytes: int = 20_000, meter: Meter | None = None
) -> list[Fetched | Failed]:
    places = (Place(0, i, 0, i, item) for i, item in enumerate(items))
    return list(fetch(places, reader(index), all_items(), budget_bytes, meter or Meter()))


def the_failure(results: list[Fetched | Failed]) -> Failed:
    """The only failure among `results`."""
    (failed,) = [one for one in results if isinstance(one, Failed)]
    return failed


def all_items() -> Items:
    numbers = np.arange(NUM_SAMPLES)
    return Items(numbers, numbers + 100, one_dataset(NUM_SAMPLES))


def own_bytes(row: int) -> bytes:
    facts = WRITTEN.rows[row]
    return DATA[facts.offset : facts.offset + facts.size]


@pytest.mark.parametrize("budget_bytes", [0, 12_000, 10**9])
def test_samples_come_in_the_order_of_their_places(index: DatasetIndex, budget_bytes: int) -> None:
    wanted = np.random.default_rng(0).integers(0, NUM_SAMPLES, 40).tolist()
    for number, one in enumerate(results := fetched(index, wanted, budget_bytes)):
        assert isinstance(one, Fetched)
        assert (one.place.position, one.row, one.ordinal) == (
            number, wanted[number], wanted[number] + 100,
        )  # fmt: skip
        assert one.data == own_bytes(wanted[number])
    assert len(results) == len(wanted)


def test_items_are_rows_of_the_index(index: DatasetIndex) -> None:
    items = Items(np.array([5, 2]), np.array([0, 7]), one_dataset(2))
    places = (Place(0, 0, slot, slot, slot) for slot in range(2))
    first, second = fetch(places, reader(index), items, 10**6, Meter())
    assert isinstance(first, Fetched)
    assert isinstance(second, Fetched)
    assert (first.row, first.ordinal, first.data) == (5, 0, own_bytes(5))
    assert (second.row, second.ordinal, second.data) == (2, 7, own_bytes(2))


def test_no_places(index: DatasetIndex) -> None:
    assert fetched(index, []) == []


def test_a_cut_shard(index: DatasetIndex) -> None:
    last = WRITTEN.rows[-1]
    for size in (last.offset + 10, last.offset, last.offset - 5):
        put(index, DATA[:size])
        assert len(fetched(index, list(range(NUM_SAMPLES - 2)))) == NUM_SAMPLES - 2
        named = f"{index.shard_urls[0]} has {size} bytes, shards.json says {len(DATA)}"
        with pytest.raises(UserError, match=re.escape(named)):
            fetched(index, [NUM_SAMPLES - 1])


def test_a_read_that_failed_is_counted(index: DatasetIndex) -> None:
    facts, meter = WRITTEN.rows[3], Meter()
    put(index, DATA[: facts.offset] + b"x" + DATA[facts.offset + 1 :])
    fetched(index, [2, 3, 4], meter=meter)
    figures = meter.take()
    assert (figures.samples, figures.failed_reads) == (2, 1)
    assert (figures.requests, figures.retries, len(figures.read_seconds)) == (4, 1, 3)


def test_any_damaged_byte_is_seen(index: DatasetIndex) -> None:
    facts = WRITTEN.rows[3]
    for place in (facts.offset, facts.offset + 700, facts.offset + facts.size - 1):
        put(index, DATA[:place] + bytes([DATA[place] ^ 1]) + DATA[place + 1 :])
        results = fetched(index, [2, 3, 4])
        reason = f"sample k3 in {index.shard_urls[0]}: bytes do not match their crc32"
        assert the_failure(results) == results[1] == Failed(Place(0, 1, 0, 1, 3), 3, reason)


def test_good_samples_come_before_the_error(index: DatasetIndex) -> None:
    table = index.table.to_pylist()
    table[4]["shard"] = 1  # there is none
    broken = replace(index, table=index.table.from_pylist(table, schema=index.table.schema))
    places = (Place(0, i, 0, i, i) for i in range(9))
    stream = fetch(places, reader(broken), all_items(), 10**9, Meter())
    assert [next(stream).row for _ in range(4)] == [0, 1, 2, 3]
    with pytest.raises(UserError, match="no such file"):
        next(stream)


def test_no_shard(index: DatasetIndex) -> None:
    storage.remove_files([index.shard_urls[0]])
    with pytest.raises(UserError, match=f"no such file.*{index.shard_urls[0]}"):
        fetched(index, [0])


def test_one_on_its_own(index: DatasetIndex) -> None:
    place, meter = Place(0, 0, 0, 0, 4), Meter()
    one = fetch_one(place, reader(index), all_items(), meter)
    assert one == Fetched(place, 4, 104, own_bytes(4))
    assert meter.take().samples == 1


def test_what_is_read_is_counted(index: DatasetIndex) -> None:
    meter = Meter()
    fetched(index, [1, 2, 1], meter=meter)
    figures = meter.take()
    assert (figures.samples, figures.requests, figures.retries) == (3, 3, 0)
    assert figures.bytes_read == sum(len(own_bytes(row)) for row in (1, 2, 1))
    assert len(figures.read_seconds) == 3
    assert min(figures.read_seconds) > 0
    assert figures.fetch_wait_seconds > 0


def open_files() -> set[str]:
    return {path.name for path in Path("/proc/self/fd").iterdir()}


def test_no_file_stays_open(tmp_path: Path) -> None:
    index = index_of_shard(WRITTEN, str(tmp_path))
    put(index, DATA)
    before = open_files()
    for row in range(3):
        assert reader(index).read(row).data == own_bytes(row)
    assert open_files() == before


class SlowReader(RangeReader):
    """Reads that never finish on their own."""

    def __init__(self, index: DatasetIndex) -> None:
        super().__init__(index, RetryConfig())
        self.futures: list[Future[list[Outcome]]] = []

    def submit(self, rows: Sequence[int]) -> Future[list[Outcome]]:
        assert len(rows) == 1
        self.futures.append(Future())
        return self.futures[-1]

    def finish(self, number: int) -> None:
        self.futures[number].set_result([Read(b"", 0.0, 1, 0)])


def budget(num_samples: int) -> int:
    return sum(row.size for row in WRITTEN.rows[:num_samples])


def test_the_budget_bounds_what_is_under_way_and_the_rest_is_cancelled(tmp_path: Path) -> None:
    slow = SlowReader(index_of_shard(WRITTEN, str(tmp_path)))
    places = (Place(0, i, 0, i, i) for i in range(9))
    stream = fetch(places, slow, all_items(), budget(3), Meter())
    thread = Thread(target=lambda: next(stream))
    thread.start()
    while len(slow.futures) < 3:
        time.sleep(0.001)
    slow.finish(0)
    thread.join()
    assert len(slow.futures) == 3
    stream.close()
    assert [future.cancelled() for future in slow.futures] == [False, True, True]


def test_small_samples_are_not_all_asked_for_at_once(tmp_path: Path) -> None:
    slow = SlowReader(index_of_shard(WRITTEN, str(tmp_path)))
    places = (Place(0, i, 0, i, 0) for i in range(2 * MOST_IN_FLIGHT))
    stream = fetch(places, slow, all_items(), 10**12, Meter())
    thread = Thread(target=lambda: next(stream))
    thread.start()
    while len(slow.futures) < MOST_IN_FLIGHT:
        time.sleep(0.001)
    slow.finish(0)
    thread.join()
    assert len(slow.futures) == MOST_IN_FLIGHT
    stream.close()


def test_places_are_not_taken_far_ahead(tmp_path: Path) -> None:
    index = index_of_shard(WRITTEN, str(tmp_path))
    put(index, DATA)
    taken: list[int] = []

    def places() -> Iterator[Place]:
        for i in range(9):
            taken.append(i)
            yield Place(0, i, 0, i, i)

    stream = fetch(places(), reader(index), all_items(), budget(3), Meter())
    next(stream)
    assert taken == [0, 1, 2, 3, 4]  # the last ends the batch of the one that did not fit
    stream.close()


class NotingReader(RangeReader):
    """Notes which samples are asked for at once."""

    def __init__(self, index: DatasetIndex) -> None:
        super().__init__(index, RetryConfig(first_wait_seconds=0.001))
        self.asked: list[list[int]] = []

    def submit(self, rows: Sequence[int]) -> Future[list[Outcome]]:
        self.asked.append(list(rows))
        return super().submit(rows)


def size_of(*rows: int) -> int:
    return sum(len(own_bytes(row)) for row in rows)


@pytest.mark.parametrize(
    ("num_bytes", "asked"),
    [
        (10**6, [[5, 6, 0, 7, 2], [3, 4]]),
        (GROUPS_AHEAD * size_of(5, 6, 0), [[5, 6, 0], [7, 2], [3, 4]]),
    ],
)
def test_what_is_asked_for_at_once(
    index: DatasetIndex, num_bytes: int, asked: list[list[int]]
) -> None:
    put(index, DATA)
    noting, meter = NotingReader(index), Meter()
    items = [5, 6, 0, 7, 2, 3, 4]
    places = (Place(0, int(n >= 5), n % 5, n, item) for n, item in enumerate(items))
    came = list(fetch(places, noting, all_items(), num_bytes, meter))
    assert noting.asked == asked
    assert [one.data for one in came if isinstance(one, Fetched)] == [own_bytes(i) for i in items]


def test_a_batch_of_many_samples_is_asked_for_in_parts(index: DatasetIndex) -> None:
    noting = NotingReader(index)
    places = (Place(0, 0, n, n, 0) for n in range(2 * MOST_IN_A_GROUP + 1))
    list(fetch(places, noting, all_items(), 10**9, Meter()))
    assert [len(rows) for rows in noting.asked] == [MOST_IN_A_GROUP, MOST_IN_A_GROUP, 1]


def in_groups(rows: Sequence[int], unit: int, sample_bytes: int, most_bytes: int) -> list[int]:
    """Samples in each group of a batch of `rows` of a shard."""
    index = make_index([{"offset": n * sample_bytes, "size": sample_bytes} for n in range(40)])
    items = Items(np.arange(40), np.zeros(40, int), replace(one_dataset(40), unit=unit))
    places = (Place(0, 0, n, n, row) for n, row in enumerate(rows))
    found = list(groups(places, RangeReader(index, RetryConfig()), items, most_bytes))
    assert [row for group in found for row in group.rows] == list(rows)
    return [len(group.rows) for group in found]


def test_a_unit_of_neighbours_is_asked_for_at_once_whatever_its_size() -> None:
    units = [8, 9, 10, 11, 4, 5, 6, 7, 20, 21, 22, 23, 0, 1, 2, 3]
    assert in_groups(units, unit=4, sample_bytes=9, most_bytes=8) == [4, 4, 4, 4]
    assert in_groups(units, unit=4, sample_bytes=3, most_bytes=27) == [12, 4]
    assert in_groups(units, unit=1, sample_bytes=3, most_bytes=8) == [2] * 8
    after_one = [30, *units]  # as where the part of a rank is no multiple of the unit
    assert in_groups(after_one, unit=4, sample_bytes=1, most_bytes=99) == [13, 4]


def test_what_lies_side_by_side_by_itself_is_bounded() -> None:
    """As in a probe, which reads in the order of the shards."""
    assert in_groups(range(40), unit=1, sample_bytes=9, most_bytes=8) == [1] * 40
    assert in_groups(range(40), unit=4, sample_bytes=9, most_bytes=8) == [4] * 10
    assert in_groups(range(40), unit=32, sample_bytes=9, most_bytes=8) == [16, 16, 8]


@pytest.mark.parametrize("num_bytes", [0, budget(2)])
def test_while_one_sample_is_handed_on_another_is_on_its_way(
    index: DatasetIndex, num_bytes: int
) -> None:
    put(index, DATA)
    noting = NotingReader(index)
    places = (Place(0, i, 0, i, i) for i in range(9))
    stream = fetch(places, noting, all_items(), num_bytes, Meter())
    assert next(stream).row == 0 and noting.asked == [[0], [1]]
    stream.close()


def test_neighbours_take_one_request(tmp_path: Path) -> None:
    index = index_of_shard(WRITTEN, f"memory:/{tmp_path}")
    put(index, DATA)
    rows, meter = [7, 2, 5, 3, 6, 3], Meter()
    places = (Place(0, 0, n, n, row) for n, row in enumerate(rows))
    came = list(fetch(places, reader(index), all_items(), 10**6, meter))
    assert [one.data for one in came if isinstance(one, Fetched)] == [own_bytes(r) for r in rows]
    figures = meter.take()
    assert (figures.samples, figures.requests, figures.retries) == (6, 3, 0)  # 2-3, 3, 5-7
    assert len(figures.read_seconds) == 3
    assert figures.reading_seconds == pytest.approx(sum(figures.read_seconds))


def last_three(index: DatasetIndex, meter: Meter) -> Iterator[Fetched | Failed]:
    """Read by one request, if all is well."""
    places = (Place(0, 0, n, n, NUM_SAMPLES - 3 + n) for n in range(3))
    return fetch(places, reader(index), all_items(), 10**6, meter)


def test_a_bad_sample_leaves_its_neighbours_alone(tmp_path: Path) -> None:
    index, meter = index_of_shard(WRITTEN, f"memory:/{tmp_path}"), Meter()
    bad = WRITTEN.rows[-2].offset
    put(index, DATA[:bad] + b"x" + DATA[bad + 1 :])
    one, failed, other = last_three(index, meter)
    assert isinstance(one, Fetched) and isinstance(other, Fetched)
    assert (one.data, other.data) == (own_bytes(NUM_SAMPLES - 3), own_bytes(NUM_SAMPLES - 1))
    assert isinstance(failed, Failed)
    figures = meter.take()
    assert (figures.requests, figures.retries, figures.failed_reads) == (2, 1, 1)
    assert len(figures.read_seconds) == 2  # of three neighbours, and of the bad one on its own


def test_neighbours_before_the_end_of_a_cut_shard_come(tmp_path: Path) -> None:
    index = index_of_shard(WRITTEN, f"memory:/{tmp_path}")
    put(index, DATA[: WRITTEN.rows[-1].offset + 5])
    reading = last_three(index, Meter())
    assert [next(reading).row for _ in range(2)] == [NUM_SAMPLES - 3, NUM_SAMPLES - 2]
    with pytest.raises(UserError, match=r"shards.json says .* replaced or cut"):
        next(reading)
