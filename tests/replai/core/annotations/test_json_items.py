"""JSON piece by piece: the same as `json.loads`, whatever the size of the pieces."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from replai.core.annotations.json_items import json_items
from replai.core.errors import UserError

scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
values = st.recursive(
    scalars,
    lambda one: st.lists(one, max_size=3) | st.dictionaries(st.text(), one, max_size=3),
    max_leaves=8,
)


def expected(whole: dict[str, Any]) -> list[tuple[str, Any]]:
    return [
        (key, item)
        for key, value in whole.items()
        for item in (value if isinstance(value, list) else [value])
    ]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    whole=st.dictionaries(st.text(), values, max_size=4),
    indent=st.none() | st.just(1),
    ascii_only=st.booleans(),
    block=st.integers(1, 9),
)
def test_as_json_loads(
    tmp_path: Path, whole: dict[str, Any], indent: int | None, ascii_only: bool, block: int
) -> None:
    path = tmp_path / "whole.json"
    text = json.dumps(whole, indent=indent, ensure_ascii=ascii_only)
    path.write_bytes(text.encode("utf-8", errors="surrogatepass"))
    found = [(key, value) for key, value, _ in json_items(str(path), block)]
    assert found == expected(whole)


def test_lines_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "lines.json"
    path.write_text('\n{"a": [\n1,\n {"b":\n 2}\n], "c":\n"d"}\n')
    for block in (1, 5, 1000):
        assert list(json_items(str(path), block)) == [
            ("a", 1, 3),
            ("a", {"b": 2}, 4),
            ("c", "d", 7),
        ]


def test_only_a_part_of_the_file_is_held(tmp_path: Path) -> None:
    path = tmp_path / "large.json"
    path.write_text(json.dumps({"videos": ["x" * 1000] * 1000}))
    seen = next(json_items(str(path), 100))
    assert seen == ("videos", "x" * 1000, 1)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"a": [1, 2', "line 1: no JSON object (',' expected, 'the end' found)"),
        ('{"a": \n[1 2]}', "line 2: no JSON object (',' expected, '2' found)"),
        ('{"a": 1,\n\n "b" 2}', "line 3: no JSON object (':' expected"),
        ('{"a": nope}', "line 1: no JSON object (Expecting value)"),
        ("{\n1: 2}", "line 2: no JSON object (the key 1 is no text)"),
        ("[1]", "line 1: no JSON object ('{' expected, '[' found)"),
        ("{}\n{}", "line 2: no JSON object (there is more behind its end)"),
        ("", "line 1: no JSON object ('{' expected, 'the end' found)"),
        ('{"a": ' + "[" * 100_000, "line 1: no JSON object ("),
    ],
)
def test_what_is_no_json_is_named_by_file_and_line(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "bad.json"
    path.write_text(text)
    for block in (1, 1000):
        if block * len(text) < 10_000 or block > 1:
            with pytest.raises(UserError) as caught:
                list(json_items(str(path), block))
            assert str(caught.value).startswith(f"{path} {said}")


@pytest.mark.parametrize("block", [1, 3, 1000])
def test_bytes_that_are_no_utf8_are_named_by_line(tmp_path: Path, block: int) -> None:
    path = tmp_path / "latin.json"
    path.write_bytes('{"a": 1,\n"b":\n["caf\u00e9",\n2]}'.encode("latin-1"))
    with pytest.raises(
        UserError, match=rf"{path} line 3: no JSON object \(bytes that are no UTF-8"
    ):
        list(json_items(str(path), block))
