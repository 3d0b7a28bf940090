"""Servers that start at the same time, as tests in parallel do, keep out of each other's way."""

from __future__ import annotations

from tools.seaweed import _own_ports


def test_ports_are_not_given_twice_while_nobody_listens_on_them_yet() -> None:
    with _own_ports() as first, _own_ports() as second:
        assert set(first) == set(second)
        assert len({*first.values(), *second.values()}) == 2 * len(first)
