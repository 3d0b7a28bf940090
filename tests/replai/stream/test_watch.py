"""A call that does not end is named by another thread, once; a worker that it holds is ended."""

from __future__ import annotations

import multiprocessing
import queue
import time
from multiprocessing.queues import SimpleQueue

import pytest

from replai.stream.watch import Watch


def test_what_does_not_end_is_named_once() -> None:
    said: queue.Queue[str] = queue.Queue()
    watch = Watch(0.01, said.put)
    for key in ("a", "b"):
        with watch.on(0, key):
            assert said.get(timeout=60).startswith(f"sample {key} has been decoding for 0 s")
            with pytest.raises(queue.Empty):
                said.get(timeout=0.1)


def test_what_ends_is_not_named() -> None:
    said: queue.Queue[str] = queue.Queue()
    watch = Watch(0.05, said.put)
    for _ in range(300):
        with watch.on(0, "a"):
            time.sleep(0.001)
    with pytest.raises(queue.Empty):
        said.get(timeout=0.2)


def held(told: SimpleQueue[tuple[int, str]], seconds: float) -> None:
    watch = Watch()
    watch.end_process(0.5, lambda item, key: told.put((item, key)))
    with watch.on(7, "a"):
        time.sleep(seconds)


@pytest.mark.parametrize(("seconds", "exit_code"), [(60.0, 1), (0.01, 0)])
def test_it_ends_the_process_that_is_held(seconds: float, exit_code: int) -> None:
    context = multiprocessing.get_context("spawn")
    told: SimpleQueue[tuple[int, str]] = context.SimpleQueue()
    process = context.Process(target=held, args=(told, seconds), daemon=True)
    process.start()
    try:
        process.join(50.0)
        assert process.exitcode == exit_code
    finally:
        process.kill()
    assert told.empty() is (exit_code == 0)
    assert exit_code == 0 or told.get() == (7, "a")
