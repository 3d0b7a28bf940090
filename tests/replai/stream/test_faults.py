"""Whatever a store does, a batch comes whole, or a spare stands in and the sample is named.

Between the client (s3fs or obstore) and a real S3 server stands a proxy that spoils chosen reads.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import s3fs

from replai.core.errors import UserError
from replai.core.index import open_index
from replai.core.obstore_reads import forget_client
from replai.stream.collate import AVBatch
from replai.stream.loader import AVStream, StreamConfig
from replai.stream.quarantine import BadSampleConfig
from replai.stream.reader import RangeReader
from replai.stream.request import S3Client
from replai.stream.store import Read
from tests.faults import FaultyProxy, Spoil
from tests.replai.stream.proxied import (
    CONFIG,
    PASSING,
    RETRY,
    URL,
    assert_equal,
    broken_at,
    make_stream,
    proxied_dataset,
    replaced,
)


@pytest.fixture(params=[S3Client.s3fs, S3Client.obstore])
def config(request: pytest.FixtureRequest) -> StreamConfig:
    """The settings, with each of the clients."""
    return replace(CONFIG, s3_client=request.param)


@pytest.fixture(scope="module")
def proxy(small_root: Path) -> Iterator[FaultyProxy]:
    """Before a server that holds the small dataset."""
    with proxied_dataset(small_root) as proxy:
        yield proxy


def once_in(period: int, fault: str) -> Spoil:
    return lambda read: fault if read.number % period == 1 else None


@pytest.mark.parametrize("fault", PASSING)
def test_a_fault_that_passes_is_never_seen(
    proxy: FaultyProxy, small_root: Path, fault: str, config: StreamConfig
) -> None:
    config = replace(config, read_unit=1 if config.s3_client is S3Client.s3fs else 4)
    proxy.start_over(lambda read: fault if read.number == 1 else None)
    stream = make_stream(config)
    batches = list(stream)
    assert_equal(batches, list(make_stream(config, index=open_index(str(small_root)))))
    first_tries = num_runs(stream, batches)
    assert len(proxy.reads) > first_tries  # some were asked for again
    assert stream.quarantine.count == 0
    if fault != "reset before":  # the clients themselves ask again on a fresh connection
        assert stream.figures.retries == stream.figures.requests - first_tries >= 1


def num_runs(stream: AVStream, batches: list[AVBatch]) -> int:
    """Requests that the samples of each batch take, if all goes well."""
    index = stream._task.index
    facts = {row["key"]: row for row in index.table.to_pylist()}
    count = 0
    for batch in batches:
        ranges = {(facts[key]["shard"], facts[key]["offset"]) for key in batch.keys}
        for key in batch.keys:
            end = facts[key]["offset"] + facts[key]["size"]
            count += (facts[key]["shard"], end) not in ranges
    return count


def test_a_fault_that_stays_costs_one_sample_and_a_spare_comes(
    proxy: FaultyProxy, tmp_path: Path
) -> None:
    proxy.start_over()
    index = open_index(URL)
    clean = list(make_stream(index=index))
    victim = clean[1].keys[2]
    stream = make_stream(path=tmp_path / "bad.jsonl", index=broken_at(index, victim))
    batches = list(stream)
    assert stream.quarantine.count == 1
    (row,) = [json.loads(line) for line in (tmp_path / "bad.jsonl").read_text().splitlines()]
    assert row["key"] == victim and row["batch"] == 1 and "crc32" in row["reason"]
    assert_equal(batches, list(make_stream(index=broken_at(index, victim))))
    assert replaced(batches, clean) == [(1, 2)]


def test_a_store_that_stops_answering_ends_the_run_within_the_deadlines(
    proxy: FaultyProxy, config: StreamConfig
) -> None:
    proxy.start_over(lambda read: "stall" if read.number >= 4 else None)
    config = replace(config, retry=replace(RETRY, attempt_seconds=0.2, total_seconds=0.3))
    started = time.monotonic()
    down = r"^the store of s3://faults/data/shards/.* has not answered for \d+ s; \d+ reads were"
    with pytest.raises(UserError, match=down):
        list(make_stream(config))
    assert time.monotonic() - started < 30


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        ("400", r"was refused \(.*The provided token has expired\.\); check"),
        ("403", r"was refused \(.*Access Denied\); check"),
        ("404", "no such file"),
    ],
)
def test_what_no_second_try_can_mend_stops_the_run(
    proxy: FaultyProxy, fault: str, says: str, config: StreamConfig
) -> None:
    proxy.start_over(lambda read: fault if read.number >= 3 else None)
    with pytest.raises(UserError, match=says):
        list(make_stream(config))


def test_a_bucket_of_another_region_is_told(proxy: FaultyProxy) -> None:
    proxy.start_over(lambda read: "301" if read.number >= 3 else None)
    with pytest.raises(UserError, match=r"in another region; set AWS_DEFAULT_REGION"):
        list(make_stream(replace(CONFIG, s3_client=S3Client.obstore)))


def test_too_many_bad_samples_stop_the_run_and_are_named(
    proxy: FaultyProxy, tmp_path: Path
) -> None:
    proxy.start_over(once_in(2, "wrong bytes"))
    config = replace(
        CONFIG, bad_samples=BadSampleConfig(max_share=0.1),
        retry=replace(RETRY, total_seconds=0.001),
    )  # fmt: skip
    with pytest.raises(UserError, match=r"more than 1 bad samples in epoch 0 \(P0.*crc32"):
        list(make_stream(config, tmp_path / "bad.jsonl"))
    assert len((tmp_path / "bad.jsonl").read_text().splitlines()) >= 2


def test_a_probe_leaves_a_bad_sample_out_and_says_so(proxy: FaultyProxy) -> None:
    proxy.start_over()
    index = open_index(URL)
    clean = list(make_stream(index=index, num_epochs=None, augment=False))
    victim = clean[0].keys[1]
    stream = make_stream(index=broken_at(index, victim), num_epochs=None, augment=False)
    batches = list(stream)
    assert stream.quarantine.count == 1
    seen = [key for batch in batches for key, ok in zip(batch.keys, batch.valid, strict=True) if ok]
    expected = [k for batch in clean for k, ok in zip(batch.keys, batch.valid, strict=True) if ok]
    assert seen == [key for key in expected if key != victim]
    assert not batches[0].valid[1] and not batches[0].views["clip"][1].any()


def test_a_second_request_overtakes_a_stalled_one(proxy: FaultyProxy, config: StreamConfig) -> None:
    proxy.start_over()
    index = open_index(URL)

    def read() -> Read:
        retry = replace(RETRY, attempt_seconds=4.0, hedge_seconds=0.2)
        return RangeReader(index, retry, s3_client=config.s3_client).read(0)

    read()  # the client is made
    proxy.start_over(lambda read: "stall" if read.number == 0 else None)
    stalled = read()
    assert (stalled.requests, stalled.retries) == (2, 0)
    assert stalled.seconds < 3.0


def test_a_bug_stops_the_run_at_once(proxy: FaultyProxy, monkeypatch: pytest.MonkeyPatch) -> None:
    proxy.start_over()

    def buggy(*_: object) -> None:
        raise NameError("a bug")

    monkeypatch.setattr("replai.stream.decode.read_views", buggy)
    with pytest.raises(NameError):
        list(make_stream())


def test_credentials_and_endpoint_of_a_profile(
    proxy: FaultyProxy, config: StreamConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy.start_over()
    key, secret = os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"]
    (tmp_path / "credentials").write_text(
        f"[kitchen]\naws_access_key_id = {key}\naws_secret_access_key = {secret}\n"
    )
    (tmp_path / "config").write_text(
        f"[profile kitchen]\nregion = eu-west-1\nendpoint_url = {proxy.endpoint}\n"
    )
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_PROFILE", "kitchen")
    monkeypatch.setattr(s3fs.S3FileSystem, "_cache", {})  # no client of before
    forget_client()
    stream = make_stream(config)
    assert len(next(iter(stream))) == 4
    assert len(proxy.reads) > 0
    assert stream.reads == f"samples are read from S3 by {config.s3_client.value}"
    forget_client()
