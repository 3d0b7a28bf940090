"""A call that does not end is named by another thread, once."""

from __future__ import annotations

import queue

import pytest

from replai.stream.overdue import Overdue


def test_what_does_not_end_is_named_once() -> None:
    said: queue.Queue[str] = queue.Queue()
    overdue = Overdue(0.01, said.put)
    for name in ("sample a", "sample b"):
        with overdue.named(name):
            assert said.get(timeout=60).startswith(f"{name} has been decoding for 0 s")
            with pytest.raises(queue.Empty):
                said.get(timeout=0.1)


def test_what_ends_is_not_named() -> None:
    said: queue.Queue[str] = queue.Queue()
    overdue = Overdue(0.05, said.put)
    with overdue.named("sample a"):
        pass
    with pytest.raises(queue.Empty):
        said.get(timeout=0.2)
