"""Labelled actions: two kinds of CSV, and errors that name file and line."""

from __future__ import annotations

from pathlib import Path

import pytest

from replai.core.errors import UserError
from replai.core.record import Action
from sharder.annotations import parse_timestamp, read_annotations

EPIC = (
    "narration_id,participant_id,video_id,narration_timestamp,start_timestamp,stop_timestamp,"
    "start_frame,stop_frame,narration,verb,verb_class,noun,noun_class,all_nouns,all_noun_classes\n"
)
EPIC_ROW = (
    "P01_01_0,P01,P01_01,00:00:01.089,00:00:00.14,01:02:03.37,8,202,open door,open,3,door,0,"
    "\"['door']\",[3]\n"
)
PLAIN = "video_id,start_seconds,stop_seconds,verb,noun"


def write(path: Path, text: str) -> str:
    path.write_bytes(text.encode())
    return str(path)


def test_the_columns_of_epic_kitchens(tmp_path: Path) -> None:
    for text in (
        EPIC + EPIC_ROW,
        "\ufeff" + EPIC + EPIC_ROW,
        (EPIC + EPIC_ROW).replace("\n", "\r\n"),
    ):
        found = read_annotations(write(tmp_path / "epic.csv", text))
        action = Action(
            start_seconds=0.14, stop_seconds=3723.37, verb="open", noun="door", verb_class=3,
            noun_class=0,
        )  # fmt: skip
        assert found.actions == {"P01_01": [action]}
        assert (found.verbs, found.nouns) == ({"3": "open"}, {"0": "door"})


def test_plain_columns_without_classes_number_them_by_name(tmp_path: Path) -> None:
    text = f"{PLAIN}\n007,5,6,wash,cup\n007,1.5,2,close,door\nb,0,1,wash,bowl\n"
    found = read_annotations(write(tmp_path / "plain.csv", text))
    assert found.verbs == {"0": "close", "1": "wash"}
    assert found.nouns == {"0": "bowl", "1": "cup", "2": "door"}
    assert [(a.start_seconds, a.verb_class, a.noun_class) for a in found.actions["007"]] == [
        (1.5, 0, 2),
        (5.0, 1, 1),
    ]


def test_class_zero_stays_zero(tmp_path: Path) -> None:
    text = f"{PLAIN},verb_class,noun_class\na,0,1,open,door,0,0\na,1,2,shut,door,7,0\n"
    found = read_annotations(write(tmp_path / "plain.csv", text))
    assert [(a.verb_class, a.noun_class) for a in found.actions["a"]] == [(0, 0), (7, 0)]
    assert (found.verbs, found.nouns) == ({"0": "open", "7": "shut"}, {"0": "door"})


def test_a_class_that_is_not_given_is_unknown_and_has_no_name(tmp_path: Path) -> None:
    text = f"{PLAIN},verb_class,noun_class\na,0,1,open,door,,4\n"
    found = read_annotations(write(tmp_path / "plain.csv", text))
    assert [(a.verb_class, a.noun_class) for a in found.actions["a"]] == [(-1, 4)]
    assert (found.verbs, found.nouns) == ({}, {"4": "door"})


def test_only_the_column_that_is_missing_is_numbered(tmp_path: Path) -> None:
    text = f"{PLAIN},verb_class\na,0,1,open,door,5\na,1,2,shut,cup,3\n"
    actions = read_annotations(write(tmp_path / "plain.csv", text)).actions["a"]
    assert [(a.verb_class, a.noun_class) for a in actions] == [(5, 1), (3, 0)]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("a,one,2,open,door", "'one'"),
        ("a,2,2,open,door", "from 2 to 2 s"),
        ("a,3,2,open,door", "from 3 to 2 s"),
        ("a,-1,2,open,door", "from -1 to 2 s"),
        ("a,nan,2,open,door", "from nan to 2 s"),
        ("a,1,inf,open,door", "from 1 to inf s"),
        ("a,1,2,open", "a field is missing"),
        ("a", "a field is missing"),
        (",1,2,open,door", "a field is missing"),
    ],
)
def test_a_bad_row_is_named_by_file_and_line(tmp_path: Path, row: str, reason: str) -> None:
    url = write(tmp_path / "plain.csv", f"{PLAIN}\na,0,1,open,door\n{row}\na,5,6,open,door\n")
    with pytest.raises(UserError, match=rf"{url} line 3: .*{reason}"):
        read_annotations(url)


@pytest.mark.parametrize(
    ("good", "bad", "reason"),
    [
        ("00:00:00.14", "14.5", "'14.5' is no HH:MM:SS.ss timestamp"),
        ("00:00:00.14", "00:xx:00", "'00:xx:00' is no HH:MM:SS.ss timestamp"),
        ("open,3,", "open,three,", "'three'"),
        ("00:00:00.14", "02:00:00", "from 7200 to 3723.37 s"),
    ],
)
def test_a_bad_row_of_epic_kitchens(tmp_path: Path, good: str, bad: str, reason: str) -> None:
    url = write(tmp_path / "epic.csv", EPIC + EPIC_ROW + EPIC_ROW.replace(good, bad))
    with pytest.raises(UserError, match=rf"{url} line 3: .*{reason}"):
        read_annotations(url)


@pytest.mark.parametrize(
    "text", ["", "video_id,seconds\na,1\n", "\x00\x01\r\x02\n", '{"json": 1}\n']
)
def test_other_tables_are_refused(tmp_path: Path, text: str) -> None:
    url = write(tmp_path / "other.csv", text)
    with pytest.raises(UserError, match=url) as caught:
        read_annotations(url)
    assert "\n" not in str(caught.value)


def test_missing_columns_are_listed(tmp_path: Path) -> None:
    url = write(tmp_path / "other.csv", "video_id,start_seconds,verb\n")
    with pytest.raises(UserError, match="missing: stop_seconds, noun"):
        read_annotations(url)


@pytest.mark.parametrize(
    ("text", "seconds"), [("00:00:00.00", 0.0), ("10:02:03.5", 36123.5), ("0:0:59.999", 59.999)]
)
def test_timestamps(text: str, seconds: float) -> None:
    assert parse_timestamp(text) == pytest.approx(seconds, abs=1e-9)
