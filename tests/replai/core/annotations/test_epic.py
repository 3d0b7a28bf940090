"""EPIC-Kitchens-100's files, as published."""

from __future__ import annotations

from pathlib import Path

import pytest

from replai.core.annotations import read_annotations
from replai.core.annotations.epic import parse_timestamp
from replai.core.errors import UserError
from replai.core.record import Action
from tests.replai.core.annotations.published import EPIC_HEADER, EPIC_ROW, epic_row, write_epic

EPIC = EPIC_HEADER + EPIC_ROW


def write(path: Path, text: str) -> str:
    path.write_bytes(text.encode())
    return str(path)


@pytest.mark.parametrize(
    "text",
    [EPIC, "\ufeff" + EPIC, EPIC.replace("\n", "\r\n"), EPIC.replace(",open,", ", open ,")],
)
def test_the_columns_of_epic_kitchens(tmp_path: Path, text: str) -> None:
    found = read_annotations(write(tmp_path / "epic.csv", text))
    (label,) = found.labels
    assert (label.video_id, label.where) == ("P01_01", "epic.csv line 2")
    assert label.action == Action(
        start_seconds=0.14, stop_seconds=3723.37, verb="open", noun="door", verb_class=3,
        noun_class=0,
    )  # fmt: skip
    assert (found.verbs.names, found.nouns.names) == ({3: "open"}, {0: "door"})
    assert not found.verbs.closed and found.verbs.source == "epic.csv"
    assert (found.durations, found.files) == ({}, ("epic.csv",))


def test_the_lists_beside_the_actions_are_read(tmp_path: Path) -> None:
    rows = [epic_row(), epic_row("P01_101", verb=("put-down", 1), noun=("board", 18))]
    path = write_epic(tmp_path, rows, {"P01_01": 1652.152817, "P01_101": 1831.46})
    found = read_annotations(str(path))
    assert found.verbs.names == {0: "take", 1: "put", 3: "open"}
    assert found.nouns.names == {0: "tap", 1: "spoon", 18: "board:chopping"}
    assert found.verbs.closed and found.nouns.closed
    assert found.durations == {"P01_01": 1652.152817, "P01_101": 1831.46}
    assert found.files == (
        "EPIC_100_train.csv", "EPIC_100_verb_classes.csv", "EPIC_100_noun_classes_v2.csv",
        "EPIC_100_video_info.csv",
    )  # fmt: skip
    assert [label.action.verb for label in found.labels] == ["open", "put-down"]


def test_the_older_list_of_nouns_is_read_too(tmp_path: Path) -> None:
    path = write_epic(tmp_path, [epic_row()], {})
    (tmp_path / "EPIC_100_noun_classes_v2.csv").rename(tmp_path / "EPIC_100_noun_classes.csv")
    assert read_annotations(str(path)).nouns.source == "EPIC_100_noun_classes.csv"


@pytest.mark.parametrize(
    ("good", "bad", "reason"),
    [
        ("00:00:00.14", "14.5", "'14.5' is no HH:MM:SS.ss timestamp"),
        ("00:00:00.14", "00:xx:00", "'00:xx:00' is no HH:MM:SS.ss timestamp"),
        ("00:00:00.14", "00:00:nan", "'00:00:nan' is no HH:MM:SS.ss timestamp"),
        ("open,3,", "open,three,", "verb_class is 'three', which is no whole number"),
        ("open,3,", "open,9999999999,", "verb_class is '9999999999', which is no whole number"),
        ("door,0,", "door,,", "noun_class is '', which is no whole number"),
        (",P01_01,00", ",,00", "a field is missing: video_id is empty"),
    ],
)
def test_a_bad_row_is_named_by_file_and_line(
    tmp_path: Path, good: str, bad: str, reason: str
) -> None:
    url = write(tmp_path / "epic.csv", EPIC + EPIC_ROW.replace(good, bad))
    with pytest.raises(UserError, match=rf"{url} line 3: {reason}"):
        read_annotations(url)


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("EPIC_100_verb_classes.csv", "id,key\n0,take\nx,put\n", "line 3: id is 'x'"),
        ("EPIC_100_noun_classes_v2.csv", "id,name\n0,tap\n", "line 1: no column 'key'"),
        ("EPIC_100_video_info.csv", "video_id,duration\nP01_01,long\n", "line 2: duration is"),
    ],
)
def test_mistakes_in_the_lists_are_named(tmp_path: Path, name: str, text: str, said: str) -> None:
    path = write_epic(tmp_path, [epic_row()], {})
    (tmp_path / name).write_text(text)
    with pytest.raises(UserError, match=f"{tmp_path / name} {said}"):
        read_annotations(str(path))


def test_a_list_in_the_place_of_actions_is_refused(tmp_path: Path) -> None:
    write_epic(tmp_path, [epic_row()], {})
    for name, said in (("verb_classes", "is a list of classes"), ("video_info", "no column")):
        with pytest.raises(UserError, match=said):
            read_annotations(str(tmp_path / f"EPIC_100_{name}.csv"))


@pytest.mark.parametrize(
    ("text", "seconds"), [("00:00:00.00", 0.0), ("10:02:03.5", 36123.5), ("0:0:59.999", 59.999)]
)
def test_timestamps(text: str, seconds: float) -> None:
    assert parse_timestamp(text) == pytest.approx(seconds, abs=1e-9)


@pytest.mark.parametrize(
    "text",
    ["-1:00:01", "00:-1:00", "-0:00:01", "00:75:01", "00:00:60", "00:00", "a:b:c"],
)
def test_what_is_no_timestamp(text: str) -> None:
    with pytest.raises(ValueError, match=f"{text!r} is no HH:MM:SS.ss timestamp"):
        parse_timestamp(text)
