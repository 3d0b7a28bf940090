"""What a store's faults, and bugs, come to where two worker processes read and decode."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from replai.core.errors import UserError
from replai.core.index import open_index
from replai.stream.loader import StreamConfig
from replai.stream.request import S3Client
from tests.faults import FaultyProxy, RangedRead, Spoil
from tests.replai.stream.elsewhere import Run, another_process, seen
from tests.replai.stream.proxied import (
    CONFIG,
    PASSING,
    RETRY,
    between_neighbours,
    broken_at,
    make_stream,
    place_of,
    proxied_dataset,
)


@pytest.fixture(scope="module")
def proxy(small_root: Path) -> Iterator[FaultyProxy]:
    """Before a server that holds the small dataset."""
    with proxied_dataset(small_root) as proxy:
        yield proxy


@pytest.fixture(scope="module")
def elsewhere(proxy: FaultyProxy) -> Iterator[Run]:
    """Runs streams in a process whose workers know the proxy."""
    with another_process() as run:
        yield run


@pytest.fixture(params=[S3Client.s3fs, S3Client.obstore])
def config(request: pytest.FixtureRequest) -> StreamConfig:
    """The settings, with two workers and each of the clients."""
    return replace(CONFIG, num_workers=2, s3_client=request.param)


def each_in_turn(*faults: str) -> Spoil:
    """The first read of any bytes meets one of `faults`, the next such read the next of them."""
    met: list[RangedRead] = []

    def spoil(read: RangedRead) -> str | None:
        if any(read.touches(one.path, one.start, one.stop) for one in met):
            return None
        met.append(read)
        return faults[(len(met) - 1) % len(faults)]

    return spoil


def test_faults_that_pass_are_never_seen(
    proxy: FaultyProxy, elsewhere: Run, config: StreamConfig, small_root: Path
) -> None:
    config = replace(config, read_unit=1, retry=replace(RETRY, attempt_seconds=1.0))
    proxy.start_over(each_in_turn(*PASSING))
    run = elsewhere(config)
    assert run.error is None
    assert run.batches == seen(replace(config, num_workers=0), str(small_root)).batches
    assert (run.num_bad, run.spares, run.children) == (0, 0, 0)
    assert run.retries >= len(PASSING) - 1  # a client may mend one reset by itself


def test_a_fault_that_stays_costs_one_sample_and_a_spare_comes(
    proxy: FaultyProxy, elsewhere: Run, config: StreamConfig, small_root: Path, tmp_path: Path
) -> None:
    index = open_index(str(small_root))
    clean = list(make_stream(CONFIG, index=index))
    batch, slot = between_neighbours(index, clean)
    key = clean[batch].keys[slot]
    spared = [one.keys for one in make_stream(CONFIG, index=broken_at(index, key))]
    proxy.stay("wrong bytes", *place_of(index, key))
    run = elsewhere(config, path=tmp_path / "bad")
    assert run.error is None
    assert [keys for keys, _ in run.batches] == spared
    assert (run.num_bad, run.spares, run.children) == (1, 1, 0)
    (row,) = [json.loads(line) for line in (tmp_path / "bad").read_text().splitlines()]
    assert (row["key"], row["batch"]) == (key, batch) and "crc32" in row["reason"]


@pytest.mark.parametrize(
    ("fault", "says"), [("400", "The provided token has expired."), ("403", "Access Denied")]
)
def test_a_refusal_in_mid_run_is_one_line(
    proxy: FaultyProxy, elsewhere: Run, config: StreamConfig, fault: str, says: str, tmp_path: Path
) -> None:
    proxy.start_over(lambda read: fault if read.number >= 2 else None)
    run = elsewhere(config, path=tmp_path / "bad")
    assert type(run.error) is UserError
    said = str(run.error)
    assert said.startswith("access to s3://faults/data/shards/") and "\n" not in said
    assert f"{says}); check its permissions and the credentials" in said
    assert (run.num_bad, run.spares, run.children) == (0, 0, 0)
    assert not (tmp_path / "bad").exists()


@pytest.mark.parametrize("bug", [NameError, TypeError, MemoryError])
def test_a_bug_in_a_worker_stops_the_run_at_once(
    proxy: FaultyProxy, elsewhere: Run, bug: type[Exception], tmp_path: Path
) -> None:
    proxy.start_over()
    run = elsewhere(replace(CONFIG, num_workers=2), path=tmp_path / "bad", bug=bug)
    assert type(run.error) is bug and "a bug" in str(run.error)
    assert (run.batches, run.num_bad, run.spares, run.children) == ([], 0, 0, 0)
    assert not (tmp_path / "bad").exists()
