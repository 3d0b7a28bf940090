import asyncio
import gc
import logging
import threading
import zlib
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from replai.core.errors import SampleError, UserError
from replai.stream.reader import RangeReader
from replai.stream.request import Hedge
from replai.stream.retry import RetryConfig
from replai.stream.store import Read
from tests.replai.stream.small import make_index

DATA = b"right"
INDEX = make_index([{"size": len(DATA), "crc32": zlib.crc32(DATA)}], root="s3://bucket")
Answer = bytes | Exception


def read(monkeypatch: pytest.MonkeyPatch, answers: list[Answer], **config: float) -> Read:
    """What a reader makes of a store that gives these answers, one a request."""
    left = iter(answers)

    async def answer(*_: object) -> bytes:
        one = next(left)
        if isinstance(one, Exception):
            raise one
        return one

    return read_from(monkeypatch, answer, **config)


def read_from(
    monkeypatch: pytest.MonkeyPatch, answer: Callable[..., Awaitable[bytes]], **config: float
) -> Read:
    return reader_of(monkeypatch, answer, **config).read(0)


def reader_of(
    monkeypatch: pytest.MonkeyPatch, answer: Callable[..., Awaitable[bytes]], **config: float
) -> RangeReader:
    async def unknown(*_: object) -> None:
        return None

    monkeypatch.setattr("replai.stream.shards.current_size", unknown)
    monkeypatch.setattr("replai.stream.store.get_range", answer)
    settings: dict[str, Any] = {"first_wait_seconds": 0.0, **config}
    return RangeReader(INDEX, RetryConfig(**settings))


@pytest.mark.parametrize(
    "trouble",
    [
        [OSError("reset")] * 5,
        [b"wrong"],
        [OSError("reset"), b"wrong"],
        [b"wrong", OSError("reset"), b"cut"],
    ],
)
def test_trouble_that_passes(monkeypatch: pytest.MonkeyPatch, trouble: list[Answer]) -> None:
    got = read(monkeypatch, [*trouble, DATA])
    assert (got.data, got.retries, got.requests) == (DATA, len(trouble), len(trouble) + 1)


def test_answers_that_are_all_late_are_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    async def answer(*_: object) -> bytes:
        await asyncio.sleep(0.03)
        return DATA

    got = read_from(monkeypatch, answer, attempt_seconds=0.02, total_seconds=20.0)
    assert got.data == DATA and got.retries >= 1


def test_the_same_damage_twice_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SampleError, match="crc32"):
        read(monkeypatch, [OSError(), b"wrong", b"wrong", DATA])


def test_a_bug_is_no_reason_to_try_again(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(NameError):
        read(monkeypatch, [NameError("a bug"), DATA])


def test_patience_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SampleError, match=r"sample k in .* given up after \d+ attempts \(reset\)"):
        read(monkeypatch, [OSError("reset")] * 10**5, total_seconds=0.05)


def test_a_store_that_answers_no_read_is_down(monkeypatch: pytest.MonkeyPatch) -> None:
    def give_up(answer: Answer) -> None:
        with pytest.raises(SampleError):
            ask(answer)

    def ask(answer: Answer) -> None:
        answers[:] = [answer] * 10**5
        reader.read(0)

    answers: list[Answer] = []

    async def answer(*_: object) -> bytes:
        one = answers.pop()
        if isinstance(one, Exception):
            raise one
        return one

    reader = reader_of(monkeypatch, answer, total_seconds=0.02, most_given_up=3)
    for end in (DATA, b"wrong"):  # damaged bytes are an answer too
        give_up(OSError("reset"))
        give_up(OSError("reset"))
        ask(end) if end == DATA else give_up(end)
    give_up(OSError("reset"))
    give_up(OSError("reset"))
    says = r"^the store of s3://bucket/shards/a.tar has not answered for 0 s; 3 reads .*\(reset\)$"
    with pytest.raises(UserError, match=says):
        ask(OSError("reset"))


def test_a_store_that_is_down_is_told_beside_one_that_answers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As in a mixture of datasets in two stores."""

    async def answer(url: str, *_: object) -> bytes:
        if url.startswith("s3://"):
            return DATA
        raise OSError("reset")

    reader_of(monkeypatch, answer)
    facts = {"size": len(DATA), "crc32": zlib.crc32(DATA)}
    index = make_index([{**facts, "shard": 0}, {**facts, "shard": 1}])
    index = replace(index, shard_urls=("s3://bucket/a.tar", "https://host/b.tar"))
    reader = RangeReader(index, RetryConfig(total_seconds=0.02, first_wait_seconds=0.0))
    for kind, says in [(SampleError, "given up")] * 2 + [
        (UserError, "host/b.tar has not answered")
    ]:
        assert reader.read(0).data == DATA
        with pytest.raises(kind, match=says):
            reader.read(1)


def unreadable(
    monkeypatch: pytest.MonkeyPatch, fails: threading.Event, num_good: int = 0
) -> RangeReader:
    """A reader of `num_good` samples and then 20 that are refused, once `fails` is set."""

    async def answer(_url: str, offset: int, *_: object) -> bytes:
        if offset < num_good * len(DATA):
            return DATA
        while not fails.is_set():
            await asyncio.sleep(0.001)
        raise OSError("500")

    reader = reader_of(monkeypatch, answer, total_seconds=0.02, most_given_up=3)
    facts = {"size": len(DATA), "crc32": zlib.crc32(DATA)}
    rows = [{**facts, "offset": n * len(DATA)} for n in range(num_good + 20)]
    return RangeReader(make_index(rows, root="s3://bucket"), *reader._from[1:])


def kinds(outcomes: Iterable[object]) -> set[str]:
    return {type(one).__name__ for one in outcomes}


def test_reads_that_are_given_up_together_count_once(monkeypatch: pytest.MonkeyPatch) -> None:
    (fails := threading.Event()).set()
    reader = unreadable(monkeypatch, fails)
    for start in (0, 8):
        assert kinds(reader.submit(range(start, start + 8)).result(20)) == {"ReadError"}
    assert "UserError" in kinds(reader.submit(range(16, 20)).result(20))


def test_reads_given_up_while_others_are_answered_do_not_count(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """They hold up those behind them: nothing else is asked for until they are given up."""
    reader = unreadable(monkeypatch, fails := threading.Event(), num_good=1)
    given_up = [reader.submit([row]) for row in range(1, 9)]
    assert kinds(reader.submit([0]).result(20)) == {"Read"}
    fails.set()
    assert kinds(one for future in given_up for one in future.result(20)) == {"ReadError"}


def test_a_slow_read_is_not_counted_for_those_asked_for_with_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 0.0

    async def answer(_url: str, offset: int, *_: object) -> bytes:
        nonlocal now
        for _ in range(100 * offset):
            await asyncio.sleep(0)  # until the other one is there
        now += 1.0 + offset
        return DATA

    facts = {"size": len(DATA), "crc32": zlib.crc32(DATA)}
    index = make_index([{**facts, "offset": offset} for offset in (0, 8)], root="s3://bucket")
    monkeypatch.setattr("replai.stream.store.get_range", answer)
    monkeypatch.setattr("replai.stream.store.time", SimpleNamespace(monotonic=lambda: now))
    reads = RangeReader(index, RetryConfig()).submit([0, 1]).result(20)
    assert [read.seconds for read in reads if isinstance(read, Read)] == [1.0, 10.0]


@pytest.mark.parametrize("end", ["cancelled", "failed"])
def test_the_slower_of_two_requests_is_forgotten(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, end: str
) -> None:
    ended: list[str] = []

    async def answer(*_: object) -> bytes:
        if ended:
            return DATA
        ended.append("started")
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            ended.append("cancelled")
            if end == "failed":
                raise OSError("closed while being cancelled") from None
            raise
        return b"late"

    with caplog.at_level(logging.ERROR, "asyncio"):
        got = read_from(monkeypatch, answer, hedge_seconds=0.01)
        read(monkeypatch, [DATA])  # the loop has turned since
        gc.collect()
    assert (got.data, got.requests, got.retries) == (DATA, 2, 0)
    assert ended == ["started", "cancelled"]
    assert caplog.records == []


@pytest.mark.parametrize("turns", range(6))
def test_a_slow_request_is_waited_for_where_the_second_one_fails(turns: int) -> None:
    def ask(slow_one: Answer) -> bytes:
        asked: list[str] = []

        async def request() -> bytes:
            asked.append("request")
            if len(asked) == 2:
                raise OSError("throttled")
            while len(asked) < 2:
                await asyncio.sleep(0)
            for _ in range(turns):  # of the loop, since the second one failed
                await asyncio.sleep(0)
            if isinstance(slow_one, Exception):
                raise slow_one
            return slow_one

        async def answer() -> bytes:
            return await Hedge(0.001).answer(request)

        return asyncio.run(answer())

    assert ask(DATA) == DATA
    with pytest.raises(OSError, match=r"reset|throttled"):
        ask(OSError("reset"))


def test_a_store_that_is_slow_throughout_is_not_asked_twice_for_everything() -> None:
    async def slow() -> bytes:
        nonlocal asked
        asked += 1
        await asyncio.sleep(0.02)
        return DATA

    async def reads(number: int) -> None:
        assert [await hedge.answer(slow) for _ in range(number)] == [DATA] * number

    asked, hedge = 0, Hedge(0.001)
    asyncio.run(reads(100))
    assert asked == 105
    asked, hedge = 0, Hedge(0.0)
    asyncio.run(reads(3))
    assert asked == 3
