"""The disk cache: same bytes, no request; bounded whoever writes; never a reason to stop."""

from __future__ import annotations

import errno
import multiprocessing
import os
import pickle
import re
import signal
import subprocess
import sys
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import numpy as np
import pytest
import torch

from replai.core.errors import UserError
from replai.core.index import DatasetIndex, open_index
from replai.core.mixture import WeightedRoot, open_mixture
from replai.stream.__main__ import main
from replai.stream.cache import (
    IDLE_SECONDS,
    CacheConfig,
    DiskCache,
    open_caches,
    sample_name,
)
from replai.stream.collate import AVBatch
from replai.stream.loader import AVStream, StreamConfig
from replai.stream.reader import RangeReader
from replai.stream.retry import RetryConfig
from replai.stream.sampling import SamplingConfig
from replai.stream.store import Read
from tests.replai.stream.cache_user import HASHES, LARGEST_BYTES, use_hard
from tests.replai.stream.small import CROP, VIEWS, make_index

# torch warns where there are more workers than cores
pytestmark = pytest.mark.filterwarnings("ignore:This DataLoader will create")

SHARD = b"".join(bytes([i]) * 1000 for i in range(20))
SIZE = 1000
ONE, OTHER = "memory://one", "memory://other"


def make_cache(folder: Path, limit_bytes: int = 10**9, dataset_hash: str = HASHES[0]) -> DiskCache:
    cache = DiskCache(folder, limit_bytes, dataset_hash)
    folder.mkdir(exist_ok=True)
    cache.tidy()
    return cache


def kept(folder: Path) -> dict[str, int]:
    """Name → size of all samples in a cache folder, and of those being written."""
    found = {}
    for path in folder.glob("*/*-*"):
        try:
            found[path.name] = path.stat().st_size
        except FileNotFoundError:
            continue
    return found


def lay_idle(cache: DiskCache, seconds: float = IDLE_SECONDS) -> None:
    """As if the dataset had not been read for so long, nor the cache been found full since."""
    then = time.time() - seconds
    for path in (cache.path(".used"), cache.folder / ".full"):
        if path.exists():
            os.utime(path, (then, then))


def own_bytes(row: int) -> bytes:
    return SHARD[row * SIZE : (row + 1) * SIZE]


def small_index(shard: bytes = SHARD, root: str = "memory://cached") -> DatasetIndex:
    parts = [shard[at : at + SIZE] for at in range(0, len(shard), SIZE)]
    return make_index(
        [
            {"offset": i * SIZE, "size": SIZE, "crc32": zlib.crc32(part)}
            for i, part in enumerate(parts)
        ],
        root=root,
    )


@dataclass
class Store:
    """Stands for the store behind a reader; counts requests."""

    shard: bytes = SHARD
    requests: int = 0

    async def answer(self, _url: str, offset: int, size: int, *_: object) -> bytes:
        self.requests += 1
        return self.shard[offset : offset + size]

    async def size(self, *_: object) -> None:
        """Is not known."""


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Store:
    store = Store()
    monkeypatch.setattr("replai.stream.store.get_range", store.answer)
    monkeypatch.setattr("replai.stream.shards.current_size", store.size)
    return store


def read(index: DatasetIndex, cache: DiskCache, row: int) -> Read:
    return RangeReader(index, RetryConfig(), [cache]).read(row)


# One reader


def test_a_hit_gives_the_same_bytes_without_a_request(store: Store, tmp_path: Path) -> None:
    index, cache = small_index(), make_cache(tmp_path)
    first = read(index, cache, 3)
    again = read(index, pickle.loads(pickle.dumps(cache)), 3)
    assert (first.is_cached, first.requests, first.data) == (False, 1, own_bytes(3))
    assert (again.is_cached, again.requests, again.data) == (True, 0, own_bytes(3))
    assert store.requests == 1
    assert kept(tmp_path) == {sample_name(0, 3000, SIZE): SIZE}


DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "a flipped bit": lambda data: data[:-1] + bytes([data[-1] ^ 1]),
    "cut": lambda data: data[:-1],
    "empty": lambda data: b"",
    "too long": lambda data: data + b"x",
    "of another sample": lambda data: own_bytes(4),
}


@pytest.mark.parametrize("damage", list(DAMAGE))
def test_damage_is_dropped_and_fetched_again(store: Store, tmp_path: Path, damage: str) -> None:
    index, cache = small_index(), make_cache(tmp_path)
    read(index, cache, 3)
    path = cache.path(sample_name(0, 3000, SIZE))
    path.write_bytes(DAMAGE[damage](path.read_bytes()))
    mended, after = read(index, cache, 3), read(index, cache, 3)
    assert (mended.was_damaged, mended.is_cached, mended.data) == (True, False, own_bytes(3))
    assert (after.was_damaged, after.is_cached, after.data) == (False, True, own_bytes(3))
    assert store.requests == 2


def test_wrong_bytes_of_the_store_are_not_kept(store: Store, tmp_path: Path) -> None:
    index, cache = small_index(), make_cache(tmp_path)
    store.shard = b"x" * len(SHARD)
    with pytest.raises(Exception, match="crc32"):
        read(index, cache, 3)
    assert kept(tmp_path) == {}


def test_datasets_with_the_same_shard_names_do_not_collide(store: Store, tmp_path: Path) -> None:
    other = Store(SHARD[::-1])
    for index, source in ((small_index(), store), (small_index(other.shard), other)):
        store.shard = source.shard
        (cache,) = open_caches(CacheConfig(folder=str(tmp_path)), index)
        assert [read(index, cache, row).data for row in range(3)] == [
            source.shard[row * SIZE : (row + 1) * SIZE] for row in range(3)
        ]
        assert not any(read(index, cache, row).was_damaged for row in range(3))
    assert store.requests == 6
    assert len(list(tmp_path.glob("*/*-*"))) == 6


# The limit


@pytest.mark.parametrize("share", [0.25, 0.5, 0.9])
def test_half_the_room_serves_half_the_reads_of_a_shuffled_order(
    tmp_path: Path, share: float
) -> None:
    count = 100
    cache, orders = make_cache(tmp_path, int(share * count * SIZE)), np.random.default_rng(0)
    hits = 0
    for epoch in range(3):
        for row in orders.permutation(count).tolist():
            name = sample_name(0, row, SIZE)
            is_kept = cache.get(name, SIZE) is not None
            hits += is_kept and epoch > 0
            if not is_kept:
                cache.put(name, bytes(SIZE))
    assert hits == 2 * share * count
    assert set(kept(tmp_path).values()) == {SIZE}


def test_datasets_out_of_use_make_room_the_longest_unused_first(tmp_path: Path) -> None:
    caches = [make_cache(tmp_path, 20 * SIZE, letter * 64) for letter in "abc"]
    for cache in caches[:2]:
        for row in range(10):
            cache.put(sample_name(0, row, SIZE), own_bytes(row))
    lay_idle(caches[0], IDLE_SECONDS + 1)
    lay_idle(caches[1])
    counts = []
    for row in range(20):
        caches[2].put(sample_name(0, row, SIZE), own_bytes(row))
        counts.append([len(list(cache.path("").glob("*-*"))) for cache in caches])
    assert [counts[n] for n in (0, 9, 19)] == [[8, 10, 1], [0, 10, 10], [0, 0, 20]]
    caches[0].put("0-0-1000", own_bytes(0))
    assert not caches[0].path("0-0-1000").exists(), "the third is in use"


def test_a_dataset_that_is_read_is_in_use(tmp_path: Path) -> None:
    one, other = (make_cache(tmp_path, SIZE, name) for name in HASHES)
    one.put("0-0-1000", own_bytes(0))
    lay_idle(one)
    assert one.get("0-0-1000", SIZE) == own_bytes(0)
    other.put("0-0-1000", own_bytes(1))
    assert one.path("0-0-1000").exists() and not other.path("0-0-1000").exists()


def test_a_full_cache_is_looked_through_now_and_then_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache, sweeps = make_cache(tmp_path, limit_bytes=2 * SIZE), []
    sweep = DiskCache._swept
    monkeypatch.setattr(DiskCache, "_swept", lambda *args: sweeps.append(1) or sweep(*args))
    for row in range(10):
        cache.put(sample_name(0, row, SIZE), own_bytes(row))
    assert len(sweeps) == 1
    cache.drop("0-0-1000")  # as what was damaged; the count is not told
    lay_idle(cache)
    cache.put(sample_name(0, 10, SIZE), own_bytes(10))
    assert set(kept(tmp_path)) == {"0-1-1000", "0-10-1000"}


@pytest.mark.parametrize("limit_samples", [1, 2.5, 7])
def test_the_limit_holds_after_every_insert(tmp_path: Path, limit_samples: float) -> None:
    limit = int(limit_samples * SIZE)
    cache = make_cache(tmp_path, limit)
    for row in range(40):
        cache.put(sample_name(row % 3, row, SIZE), own_bytes(row % 20))
        assert sum(kept(tmp_path).values()) == min(row + 1, int(limit_samples)) * SIZE


def test_what_is_counted_twice_costs_no_sample(tmp_path: Path) -> None:
    cache = make_cache(tmp_path, limit_bytes=20 * SIZE)
    for row in range(20):
        for _ in range(3):
            cache.put(sample_name(0, row, SIZE), own_bytes(row))
            cache._count(SIZE)  # as of a writer that was killed
    assert len(kept(tmp_path)) == 20


def test_no_count_is_lost(tmp_path: Path) -> None:
    cache = make_cache(tmp_path)
    threads = [Thread(target=lambda: [cache._count(3) for _ in range(3000)]) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert cache._count(0) == 3 * 3000 * 8


def test_a_higher_limit_finds_room_at_once_until_a_job_with_a_lower_one_comes(
    tmp_path: Path,
) -> None:
    low = make_cache(tmp_path, 2 * SIZE)
    for row in range(3):
        low.put(sample_name(0, row, SIZE), own_bytes(row))
    high = make_cache(tmp_path, 4 * SIZE)
    high.put("0-3-1000", own_bytes(3))
    assert set(kept(tmp_path)) == {"0-0-1000", "0-1-1000", "0-3-1000"}
    low.put("0-4-1000", own_bytes(4))
    high.put("0-5-1000", own_bytes(5))
    assert len(kept(tmp_path)) == 2, "of jobs that share it, the smallest counts"


@pytest.mark.parametrize("trouble", ["lost", "garbage", "lower limit"])
def test_a_folder_that_holds_too_much_is_noticed_at_start(tmp_path: Path, trouble: str) -> None:
    before = make_cache(tmp_path, limit_bytes=20 * SIZE)
    for row in range(20):
        before.put(sample_name(0, row, SIZE), own_bytes(row))
    if trouble == "lost":
        (tmp_path / ".usage").unlink()
    if trouble == "garbage":
        (tmp_path / ".usage").write_bytes(b"\xff" * 7)
    open_caches(CacheConfig(folder=str(tmp_path), gigabytes=10 * SIZE / 1e9), small_index())
    assert len(kept(tmp_path)) == 10
    assert before._count(0) == 10 * SIZE


def test_other_things_in_the_folder_are_left_alone(tmp_path: Path) -> None:
    caches = [make_cache(tmp_path, 2 * SIZE, name) for name in HASHES]
    mine = [tmp_path / "notes", tmp_path / "photos" / "0-0-1", tmp_path / HASHES[1] / "0-0-1.bak"]
    for path in mine:
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"x" * 5 * SIZE)
    for row in range(6):
        lay_idle(caches[1 - row % 2])
        caches[row % 2].put(sample_name(0, row, SIZE), own_bytes(row))
        assert caches[row % 2].path(sample_name(0, row, SIZE)).exists()
    assert len(kept(tmp_path)) == 2 + len(mine) - 1
    assert all(path.exists() for path in mine)


def test_while_one_process_sweeps_others_neither_wait_nor_write(tmp_path: Path) -> None:
    before, cache = (make_cache(tmp_path, SIZE, name) for name in HASHES)
    before.put("0-0-1000", own_bytes(0))
    lay_idle(before)
    with cache._sweeping() as is_ours:
        assert is_ours
        cache.put("0-1-1000", own_bytes(1))
    assert list(kept(tmp_path)) == ["0-0-1000"]
    assert cache._count(0) == SIZE
    cache.put("0-1-1000", own_bytes(1))
    assert list(kept(tmp_path)) == ["0-1-1000"]


# Several processes

NUM_PROCESSES, LIMIT = 4, 200_000


def test_many_processes_share_one_folder_and_its_limit(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    processes = [
        context.Process(target=use_hard, args=(tmp_path, LIMIT, seed))
        for seed in range(NUM_PROCESSES)
    ]
    for process in processes:
        process.start()
    most = 0
    while any(process.is_alive() for process in processes):
        most = max(most, sum(kept(tmp_path).values()))
        time.sleep(0.001)
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * NUM_PROCESSES
    assert 0.5 * LIMIT < most <= LIMIT + NUM_PROCESSES * LARGEST_BYTES
    assert not [name for name in kept(tmp_path) if name.endswith(".tmp")]


KILLED_WRITER = """
import os, signal, sys
from pathlib import Path
from replai.stream.cache import DiskCache

class Torn:
    def __init__(self, file): self.file = file
    def __enter__(self): return self
    def __exit__(self, *_): self.file.close()
    def write(self, data):
        self.file.write(data[:len(data) // 2])
        self.file.flush()
        os.kill(os.getpid(), signal.SIGKILL)

whole_open = Path.open
Path.open = lambda self, *mode: Torn(whole_open(self, *mode))
DiskCache(Path(sys.argv[1]), 3000, "a" * 64).put("0-0-1000", b"x" * 1000)
"""


def test_a_killed_writer_leaves_nothing_to_see_and_is_cleaned_up_after(tmp_path: Path) -> None:
    cache = make_cache(tmp_path, limit_bytes=3 * SIZE)
    done = subprocess.run([sys.executable, "-c", KILLED_WRITER, str(tmp_path)], check=False)
    assert done.returncode == -signal.SIGKILL
    ((torn, size),) = kept(tmp_path).items()
    assert (torn[:9], torn[-4:], size) == (".0-0-1000", ".tmp", SIZE // 2)
    assert cache.get("0-0-1000", SIZE) is None
    for row in range(1, 9):  # young: it may still be written
        cache.put(sample_name(0, row, SIZE), own_bytes(row))
        assert torn in kept(tmp_path)
        assert sum(kept(tmp_path).values()) <= 3 * SIZE
    old = time.time() - IDLE_SECONDS - 1
    os.utime(cache.path(torn), (old, old))
    lay_idle(cache)
    cache.put("0-9-1000", own_bytes(9))
    assert sorted(kept(tmp_path)) == ["0-1-1000", "0-2-1000", "0-9-1000"]


def test_what_is_being_read_may_be_removed(tmp_path: Path) -> None:
    cache, other = (make_cache(tmp_path, SIZE, name) for name in HASHES)
    cache.put("0-0-1000", own_bytes(0))
    lay_idle(cache)
    with cache.path("0-0-1000").open("rb", buffering=0) as file:
        start = file.read(10)
        other.put("0-1-1000", own_bytes(1))
        assert not cache.path("0-0-1000").exists()
        assert start + file.read() == own_bytes(0)


# Trouble, and the settings


def no_space(*_: object, **__: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_full_disk_is_told_once_and_what_is_kept_still_serves(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index, cache = small_index(), make_cache(tmp_path)
    read(index, cache, 0)
    reader = RangeReader(index, RetryConfig(), [cache])
    with monkeypatch.context() as full:
        full.setattr("replai.core.storage.write_local_atomically", no_space)
        reads = reader.submit(range(10)).result(20)
    assert [one.data for one in reads] == [own_bytes(row) for row in range(10)]
    assert reads[0].is_cached
    (warning,) = [one.warning for one in reads if one.warning]
    assert warning == (
        f"the disk cache in {tmp_path} takes no more samples: No space left on device"
    )
    assert reader.read(11).data == own_bytes(11)
    assert len(kept(tmp_path)) == 1, "not tried again"


@pytest.mark.parametrize("gigabytes", [0.0, -1.0, float("nan"), float("inf")])
def test_limits_that_make_no_sense(gigabytes: float) -> None:
    with pytest.raises(ValueError, match="gigabytes"):
        CacheConfig(gigabytes=gigabytes)


def test_a_limit_below_one_sample_means_no_cache_and_a_warning(tmp_path: Path) -> None:
    config = partial(CacheConfig, folder=str(tmp_path))
    with pytest.warns(UserWarning, match=r"gigabytes=9\.99e-07 is less than one .*\(1000 bytes\)"):
        assert open_caches(config(gigabytes=0.999e-6), small_index()) == ()
    assert open_caches(config(gigabytes=1e-6), small_index())


@pytest.mark.parametrize("root", ["/root", "file:///root", "root"])
def test_a_local_dataset_needs_no_cache(tmp_path: Path, root: str) -> None:
    folder = tmp_path / "new"
    assert open_caches(CacheConfig(folder=str(folder)), small_index(root=root)) == ()
    assert open_caches(CacheConfig(), small_index()) == ()
    assert not folder.exists()


def test_where_the_folder_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for folder, meant in (("a/b c", "a/b c"), ("~/c", "home/c"), (f"{tmp_path}/d", "d")):
        (cache,) = open_caches(CacheConfig(folder=folder), small_index())
        assert cache.folder == tmp_path / meant
        assert cache.folder.is_dir()


@pytest.mark.parametrize(("folder", "says"), [("s3://b/c", "is not on this"), ("f/c", "cannot be")])
def test_a_folder_that_cannot_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str, says: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "f").write_text("a file")
    with pytest.raises(UserError, match=f"{re.escape(folder)} {says}"):
        open_caches(CacheConfig(folder=folder), small_index())


# The whole stream


@dataclass
class RangeServer:
    """A small HTTP server that answers ranges; counts those of shards."""

    url: str = ""
    requests: int = 0


@pytest.fixture(scope="module")
def server(small_root: Path) -> Iterator[RangeServer]:
    """The small dataset by HTTP: it needs no environment, so workers can read it too."""
    counted = RangeServer()

    class Handler(SimpleHTTPRequestHandler):
        def do_GET(self) -> None:
            wanted = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
            if not wanted:
                return super().do_GET()
            counted.requests += self.path.endswith(".tar")
            start, last = map(int, wanted.groups())
            body = Path(self.translate_path(self.path)).read_bytes()[start : last + 1]
            self.send_response(206)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
            return None

        def log_message(self, format: str, *args: object) -> None:
            """Says nothing."""

    with ThreadingHTTPServer(
        ("127.0.0.1", 0), partial(Handler, directory=str(small_root))
    ) as listening:
        counted.url = f"http://127.0.0.1:{listening.server_port}"
        thread = Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield counted
        listening.shutdown()
        thread.join(10)


def stream_of(
    url: str, workers: int, folder: Path | str = "", num_epochs: int | None = 2
) -> AVStream:
    config = StreamConfig(
        num_workers=workers,
        cache=CacheConfig(folder=str(folder)),
        retry=RetryConfig(hedge_seconds=0.0),  # requests are counted
    )
    return AVStream(
        open_index(url), VIEWS, sampling=SamplingConfig(), crop=CROP, batch_size=4,
        num_epochs=num_epochs, seed=5, config=config,
    )  # fmt: skip


def assert_equal(batches: list[AVBatch], others: list[AVBatch]) -> None:
    assert [batch.keys for batch in batches] == [batch.keys for batch in others]
    for batch, other in zip(batches, others, strict=True):
        assert all(torch.equal(view, other.views[name]) for name, view in batch.views.items())


@pytest.fixture(scope="module")
def expected(small_root: Path) -> list[AVBatch]:
    """Two epochs of the dataset, read without a cache."""
    return list(stream_of(str(small_root), workers=0))


@pytest.mark.parametrize("workers", [0, 2])
def test_what_was_read_once_is_never_asked_for_again(
    server: RangeServer, expected: list[AVBatch], tmp_path: Path, workers: int
) -> None:
    server.requests = 0
    filling = stream_of(server.url, workers, tmp_path, num_epochs=None)
    assert len(list(filling)) == filling.batches_per_epoch
    assert filling.figures.samples - filling.figures.cache_hits > 10
    assert server.requests == filling.figures.requests > 5
    assert len(filling.figures.read_seconds) == server.requests

    server.requests = 0
    stream = stream_of(server.url, workers, tmp_path)
    assert_equal(list(stream), expected)
    figures = stream.take_figures()
    assert server.requests == figures.requests == len(figures.read_seconds) == 0
    assert figures.cache_hits == figures.samples == 4 * len(expected)
    assert figures.cache_bytes == figures.bytes_read > 0
    assert figures.named(1.0)["stream/cache_hit_share"] == 1.0


@pytest.mark.parametrize("workers", [0, 2])
def test_a_cache_that_refuses_is_told_once_and_the_stream_goes_on(
    server: RangeServer, expected: list[AVBatch], tmp_path: Path, workers: int
) -> None:
    (tmp_path / ".usage").mkdir()  # even root cannot write to it
    with pytest.warns(UserWarning) as warned:
        assert_equal(list(stream_of(server.url, workers, tmp_path)), expected)
    told = [str(one.message) for one in warned if "DataLoader" not in str(one.message)]
    assert told == [f"the disk cache in {tmp_path} takes no more samples: Is a directory"]
    assert kept(tmp_path) == {}


def test_of_a_mixture_what_is_on_this_machine_is_not_kept(
    server: RangeServer, small_root: Path, tmp_path: Path
) -> None:
    both = [WeightedRoot(root=root) for root in (f"file://{small_root}", server.url)]
    index = open_mixture(both)
    caches = open_caches(CacheConfig(folder=str(tmp_path)), index)
    for row, is_kept in ((0, False), (index.table.num_rows - 1, True)):
        reader = RangeReader(index, RetryConfig(), caches)
        reader.read(row)
        assert reader.read(row).is_cached == is_kept
    assert len(kept(tmp_path)) == 1


def test_what_is_kept_of_a_dataset_serves_it_in_any_mixture(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    datasets = {url: small_index(SHARD[at:], url) for at, url in ((0, ONE), (5 * SIZE, OTHER))}
    monkeypatch.setattr("replai.core.mixture.open_index", datasets.__getitem__)
    asked = []
    for weights in ({ONE: 0.0}, {OTHER: 1.0, ONE: 3.0}, {OTHER: 1.0, ONE: 2.0}, {OTHER: 0.0}):
        index = open_mixture([WeightedRoot(root=r, weight=w) for r, w in weights.items()])
        caches = open_caches(CacheConfig(folder=str(tmp_path)), index)
        reader = RangeReader(index, RetryConfig(), caches)
        before = store.requests
        for row in range(index.header.num_samples):
            store.shard = SHARD[5 * SIZE :] if OTHER in weights and row < 15 else SHARD
            assert not reader.read(row).was_damaged
        asked.append(store.requests - before)
    assert asked == [20, 15, 0, 0]


def test_a_web_server_without_ranges_is_told_at_once(small_root: Path) -> None:
    class Whole(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            """Says nothing."""

    with ThreadingHTTPServer(
        ("127.0.0.1", 0), partial(Whole, directory=str(small_root))
    ) as listening:
        thread = Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            url = f"http://127.0.0.1:{listening.server_port}"
            with pytest.raises(UserError, match=r"train-00000.\.tar knows no byte ranges: it sent"):
                list(stream_of(url, 0))
        finally:
            listening.shutdown()
            thread.join(10)


def test_damaged_samples_are_counted(
    server: RangeServer, expected: list[AVBatch], tmp_path: Path
) -> None:
    list(stream_of(server.url, 0, tmp_path, num_epochs=None))
    victim = max(tmp_path.glob("*/*-*-*"))
    victim.write_bytes(b"x" * victim.stat().st_size)
    stream = stream_of(server.url, 0, tmp_path, num_epochs=1)
    list(stream)
    assert stream.figures.cache_damaged == stream.figures.requests == 1
    assert stream.quarantine.count == 0


def test_the_speed_command_says_what_the_cache_gave(
    server: RangeServer,
    small_root: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for root, says in (
        (server.url, r"cache_hit_share +│ +0 "),
        (server.url, r"cache_hit_share +│ +1 "),
        (str(small_root), "read where it is, without --cache"),
    ):
        options = "--workers 0 --batch-size 4 --crop 32 --cache-gigabytes 0.1 --cache"
        monkeypatch.setattr("sys.argv", ["stream", root, *options.split(), str(tmp_path)])
        main()
        assert re.search(says, capsys.readouterr().out)
