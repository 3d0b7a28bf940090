"""Which actions are packed, and what is said of the others."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replai.core.annotations import Annotations, CheckedAnnotations, Classes, Label, check
from replai.core.annotations.findings import Kind
from replai.core.record import Action
from replai.core.video_ids import plain_id
from sharder.listing import finding_rows, to_csv

CLOSED = Classes({0: "open", 1: "shut"}, "the list", closed=True)


def label(
    start: float = 1.0,
    stop: float = 2.0,
    video_id: str = "a",
    verb_class: int = 0,
    clip_id: str = "",
    clip_start_seconds: float = 0.0,
    rejected: str = "",
    line: int = 2,
) -> Label:
    return Label(
        where=f"file line {line}",
        video_id=video_id,
        action=Action(
            start_seconds=start, stop_seconds=stop, verb="open", noun="door",
            verb_class=verb_class, noun_class=0, pnr_seconds=start + 0.5,
        ),
        clip_id=clip_id,
        clip_start_seconds=clip_start_seconds,
        rejected=rejected,
    )  # fmt: skip


def checked(*labels: Label, sources: str = "a", seconds: float | None = 10.0) -> CheckedAnnotations:
    durations = {} if seconds is None else dict.fromkeys(sources, seconds)
    return check(Annotations(labels=labels, verbs=CLOSED, files=("file",)), set(sources), durations)


def times(found: CheckedAnnotations, source_id: str = "a") -> list[tuple[float, float]]:
    return [(a.start_seconds, a.stop_seconds) for a in found.actions.get(source_id, [])]


def test_what_is_right_is_packed_in_order_and_nothing_is_said() -> None:
    found = checked(label(5, 6), label(1, 2), label(2, 3, video_id="b"), sources="ab")
    assert (times(found), times(found, "b")) == ([(1, 2), (5, 6)], [(2, 3)])
    assert (found.findings, found.num_actions, found.num_labels) == ((), 3, 3)
    assert list(found.lines()) == [
        "annotations: 3 of 3 actions fit the sources",
        "  read from file",
    ]


@pytest.mark.parametrize(
    ("wrong", "kind", "detail"),
    [
        (label(rejected="a reason"), Kind.rejected, "a reason"),
        (label(2, 2), Kind.empty, ""),
        (label(3, 2), Kind.empty, ""),
        (label(video_id="b"), Kind.absent, ""),
        (label(video_id="A"), Kind.absent, "did you mean 'a'?"),
        (label(video_id="P01/videos/a.MP4"), Kind.absent, "did you mean 'a'?"),
        (label(10.0, 11.0), Kind.outside, "the video lasts 10.00 s"),
        (label(-2.0, 0.0), Kind.outside, "the video lasts 10.00 s"),
    ],
)
def test_what_is_left_out(wrong: Label, kind: Kind, detail: str) -> None:
    found = checked(label(), wrong)
    assert times(found) == [(1, 2)]
    (finding,) = found.findings
    assert (finding.kind, finding.detail, finding.label) == (kind, detail, wrong)


@pytest.mark.parametrize(
    ("start", "stop", "kept", "said"),
    [
        (9.0, 12.0, (9.0, 10.0), True),
        (-1.0, 2.0, (0.0, 2.0), True),
        (9.0, 10.05, (9.0, 10.0), False),
        (-0.05, 2.0, (0.0, 2.0), False),
    ],
)
def test_what_reaches_past_an_end_is_cut(
    start: float, stop: float, kept: tuple[float, float], said: bool
) -> None:
    found = checked(label(start, stop))
    assert times(found) == [kept]
    assert [f.kind for f in found.findings] == ([Kind.cut] if said else [])


def test_without_lengths_no_end_is_known() -> None:
    found = checked(label(1e5, 1e6), seconds=None)
    assert (times(found), found.findings) == ([(1e5, 1e6)], ())
    (finding,) = checked(label(-1.0, 2.0), seconds=None).findings
    assert (finding.kind, finding.detail) == (Kind.cut, "it begins before its video")


def test_an_unknown_class_is_packed_without_its_id() -> None:
    found = checked(label(verb_class=97))
    assert [(a.verb, a.verb_class, a.noun_class) for a in found.actions["a"]] == [("open", -1, 0)]
    (finding,) = found.findings
    assert finding.kind is Kind.unknown_class
    assert finding.detail == "verb 'open' (class 97) is not in the list"


def test_overlaps_are_said_of_the_later_one() -> None:
    long, inside, after = label(1, 8, line=2), label(2, 3, line=3), label(4, 9, line=4)
    apart = label(9, 9.5, line=5)
    found = checked(apart, after, inside, long)
    assert len(times(found)) == 4
    assert [(f.kind, f.label, f.detail) for f in found.findings] == [
        (Kind.overlapping, inside, "with file line 2"),
        (Kind.overlapping, after, "with file line 2"),
    ]


def test_a_clip_has_its_own_clock() -> None:
    both = label(12.0, 13.0, video_id="v", clip_id="c", clip_start_seconds=10.0)
    found = check(Annotations(labels=(both,)), {"c"}, {"c": 5.0})
    (action,) = found.actions["c"]
    assert (action.start_seconds, action.stop_seconds, action.pnr_seconds) == (2.0, 3.0, 2.5)
    found = check(Annotations(labels=(both,)), {"v", "c"}, {"v": 20.0, "c": 5.0})
    assert times(found, "v") == [(12.0, 13.0)] and "c" not in found.actions
    assert check(Annotations(labels=(both,)), {"c"}, {"c": 1.5}).counts == {Kind.outside: 1}


finite = st.floats(-5, 15)


@given(
    st.lists(
        st.builds(
            label, start=finite, stop=finite, video_id=st.sampled_from("abz"),
            verb_class=st.integers(0, 2), rejected=st.sampled_from(["", "", "bad"]),
        ),
        max_size=8,
    )
)  # fmt: skip
def test_nothing_vanishes(labels: list[Label]) -> None:
    found = checked(*labels, sources="ab")
    left_out = [f for f in found.findings if "left out" in f.kind]
    assert found.num_actions + len(left_out) == len(labels)
    assert sum(found.counts.values()) == len(found.findings)
    for actions in found.actions.values():
        starts = [action.start_seconds for action in actions]
        assert starts == sorted(starts)
        for action in actions:
            assert 0 <= action.start_seconds < action.stop_seconds <= 10


def test_findings_are_told_a_line_a_kind_and_listed_one_by_one() -> None:
    found = checked(label(2, 2, line=3), label(3, 1, line=4), label(video_id="b", line=5))
    assert list(found.lines()) == [
        "annotations: 0 of 3 actions fit the sources",
        "  read from file",
        "  2 empty (no stop after their start): left out; the first: file line 3: a 2.00-2.00 s, "
        "open door",
        "  1 of videos that are not among the sources: left out; the first: file line 5: b "
        "1.00-2.00 s, open door",
    ]
    rows = list(csv.DictReader(io.StringIO(to_csv(finding_rows(found)))))
    assert [(row["finding"], row["where"]) for row in rows] == [
        ("empty", "file line 3"), ("empty", "file line 4"), ("absent", "file line 5"),
    ]  # fmt: skip
    assert rows[1]["start_seconds"] == "3" and rows[1]["stop_seconds"] == "1"


@pytest.mark.parametrize(
    ("written", "plain"),
    [
        ("P01_01", "p01_01"),
        ("P01/videos/P01_01.MP4", "p01_01"),
        ("C:\\videos\\P01_01.mkv", "p01_01"),
        ("v1.2.final", "v1.2.final"),
        (" a b ", "a b"),
    ],
)
def test_what_people_write_for_an_id(written: str, plain: str) -> None:
    assert plain_id(written) == plain
