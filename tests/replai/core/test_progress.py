from itertools import count

import pytest

from replai.core.progress import with_progress


def test_off_a_terminal_a_line_now_and_then(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Ten items of two each, 20 s an item: a line after every other one, but not at the end."""
    clock = count(0.0, 20.0)
    monkeypatch.setattr("time.monotonic", lambda: next(clock))
    assert list(with_progress(range(10), 19, "[x] of s3://a", of_each=2)) == list(range(10))
    told = capsys.readouterr().err.splitlines()
    assert told[0] == "[x] of s3://a: 4/19, about 150 s left"
    assert len(told) == 4


def test_other_ranks_say_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = count(0.0, 100.0)
    monkeypatch.setattr("time.monotonic", lambda: next(clock))
    assert list(with_progress([1, 2, 3], 3, "reads", shown=False)) == [1, 2, 3]
    assert capsys.readouterr().err == ""
