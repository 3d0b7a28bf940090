"""A store's fault that stays on one sample costs it alone: it is named, and a spare comes.

Its neighbours come by the same request, which fails too; each is then asked for on its own.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from replai.core.index import DatasetIndex, open_index
from replai.stream.collate import AVBatch
from replai.stream.loader import StreamConfig
from replai.stream.request import S3Client
from tests.faults import FaultyProxy, RangedRead
from tests.replai.stream.proxied import (
    CONFIG,
    RETRY,
    URL,
    assert_equal,
    between_neighbours,
    broken_at,
    make_stream,
    place_of,
    proxied_dataset,
    replaced,
)

IMPATIENT = replace(RETRY, attempt_seconds=0.5, total_seconds=0.8)
GIVEN_UP = r"^sample {} in s3://faults/data/shards/.*\.tar: given up after \d+ attempts \(.+\)$"
DAMAGED = r"^sample {} in s3://faults/data/shards/.*\.tar: .*"
STAYING = {
    "500": GIVEN_UP,
    "503": GIVEN_UP,
    "reset before": GIVEN_UP,
    "reset inside": GIVEN_UP,
    "stall": GIVEN_UP,
    "cut": GIVEN_UP,
    "short": DAMAGED + r"\d+ of \d+ bytes; is the shard cut\?$",
    "wrong bytes": DAMAGED + "bytes do not match their crc32$",
}
"""Fault → the reason that the quarantine gives."""


@pytest.fixture(params=[S3Client.s3fs, S3Client.obstore])
def config(request: pytest.FixtureRequest) -> StreamConfig:
    """The settings, with each of the clients; four neighbours a request."""
    return replace(CONFIG, s3_client=request.param, read_unit=4)


@pytest.fixture(scope="module")
def proxy(small_root: Path) -> Iterator[FaultyProxy]:
    """Before a server that holds the small dataset; both clients have read from it."""
    with proxied_dataset(small_root) as proxy:
        for client in (S3Client.s3fs, S3Client.obstore):
            list(make_stream(replace(CONFIG, s3_client=client)))
        yield proxy


@dataclass(frozen=True)
class Victim:
    """A sample with neighbours on both sides, and what comes with it and without it."""

    key: str
    batch: int
    slot: int
    place: tuple[str, int, int]
    clean: list[AVBatch]
    spared: list[AVBatch]


@pytest.fixture(scope="module")
def victim(small_root: Path) -> Victim:
    index = open_index(str(small_root))
    clean = local_batches(index)
    batch, slot = between_neighbours(index, clean)
    key = clean[batch].keys[slot]
    spared = local_batches(broken_at(index, key))
    return Victim(key, batch, slot, place_of(index, key), clean, spared)


def local_batches(index: DatasetIndex) -> list[AVBatch]:
    return list(make_stream(replace(CONFIG, read_unit=4), index=index))


@pytest.mark.parametrize("fault", STAYING)
def test_a_fault_that_stays_on_one_sample_costs_it_alone(
    proxy: FaultyProxy, victim: Victim, fault: str, config: StreamConfig, tmp_path: Path
) -> None:
    proxy.stay(fault, *victim.place)
    stream = make_stream(replace(config, retry=IMPATIENT), tmp_path / "bad.jsonl")
    batches = list(stream)
    assert_equal(batches, victim.spared)
    assert replaced(batches, victim.clean) == [(victim.batch, victim.slot)]
    assert (stream.quarantine.count, stream.figures.spares, stream.figures.failed_reads) == (1,) * 3
    assert_named(tmp_path / "bad.jsonl", victim, STAYING[fault])
    path, start, stop = victim.place
    with_both = [read.touches(path, start - 1, start) and read.touches(path, stop, stop + 1)
                 for read in proxy.reads]  # fmt: skip
    assert any(with_both), "no neighbours came by the same request"


def assert_named(quarantine: Path, victim: Victim, reason: str) -> None:
    """That one row names the victim, and why it could not be had."""
    (row,) = [json.loads(line) for line in quarantine.read_text().splitlines()]
    assert (row["key"], row["epoch"], row["batch"]) == (victim.key, 0, victim.batch)
    assert row["shard"] == f"{URL}/shards/{victim.place[0].rpartition('/')[2]}"
    assert re.search(reason.format(victim.key), row["reason"]), row["reason"]


@pytest.mark.parametrize("fault", ["reset before", "reset inside", "cut"])
def test_connections_that_break_several_times_in_a_row(
    proxy: FaultyProxy, victim: Victim, fault: str, config: StreamConfig
) -> None:
    """Past what the clients ask again themselves, on a fresh connection."""
    path, start, stop = victim.place
    broken = 0

    def spoil(read: RangedRead) -> str | None:
        nonlocal broken
        if broken == 6 or not read.touches(path, start, stop):
            return None
        broken += 1
        return fault

    proxy.start_over(spoil)
    stream = make_stream(config)
    assert_equal(list(stream), victim.clean)
    assert broken == 6 and stream.quarantine.count == 0
    assert stream.figures.retries >= 1
