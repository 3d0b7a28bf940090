"""annotation-findings.csv: written, read again, joined."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replai.core.annotations import Annotations, CheckedAnnotations, check
from replai.core.annotations.findings import Kind
from sharder.listing import COLUMNS, Row, counts, finding_rows, from_csv, joined_rows, to_csv
from tests.replai.core.annotations.test_check import label

LABELS = st.lists(
    st.builds(
        label,
        start=st.integers(0, 3),
        stop=st.integers(0, 3),
        video_id=st.sampled_from("ab,"),
        rejected=st.sampled_from(["", 'why, "so"\n?']),
        line=st.integers(2, 6),
    ),
    max_size=6,
).map(tuple)


def checked(labels: tuple[object, ...], ids: set[str]) -> CheckedAnnotations:
    return check(Annotations(labels=labels), ids, {})  # type: ignore[arg-type]


@given(LABELS, LABELS)
def test_joined_rows_are_read_as_they_were_written(
    first: tuple[object, ...], second: tuple[object, ...]
) -> None:
    before = finding_rows(checked(first, {"a"}))
    now = checked(second, {"b"})
    joined = joined_rows(before, now)
    assert from_csv(to_csv(joined)) == joined
    assert joined_rows(joined, now) == joined
    assert joined[len(joined) - len(now.findings) :] == finding_rows(now)
    gone = set(before) - set(joined)
    assert {row[0] for row in gone} <= {"absent"}
    assert sum(counts(joined).values()) == len(joined)


def test_what_was_absent_and_has_come_is_absent_no_more() -> None:
    absent = finding_rows(checked((label(video_id="b"), label(video_id="c")), {"a"}))
    assert counts(absent) == {Kind.absent: 2}
    assert joined_rows(absent, checked((label(video_id="b"),), {"b"})) == absent[1:]


@given(st.lists(st.tuples(*[st.text('a \r\n,"', max_size=3)] * len(COLUMNS)), max_size=3))
def test_names_with_ends_of_lines_quotes_and_commas_are_read_back(rows: list[Row]) -> None:
    assert from_csv(to_csv(rows)) == rows


def test_a_file_of_fewer_quotes_is_read_too() -> None:
    """As sharder wrote it before."""
    row = "absent,a.csv line 2,d,1.0,2.0,shut,door,"
    assert from_csv(",".join(COLUMNS) + "\n" + row + "\n") == [tuple(row.split(","))]


@pytest.mark.parametrize("text", ["", "a,b\n", '"finding', to_csv([("too", "few")])])
def test_another_file_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        from_csv(text)
