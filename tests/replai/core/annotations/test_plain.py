"""A plain CSV, and what its mistakes are called."""

from __future__ import annotations

from pathlib import Path

import pytest

from replai.core.annotations import Annotations, check, read_annotations
from replai.core.annotations.findings import Kind
from replai.core.errors import UserError

PLAIN = "video_id,start_seconds,stop_seconds,verb,noun"


def read(path: Path, text: str) -> Annotations:
    path.write_bytes(text.encode())
    return read_annotations(str(path))


def classes(found: Annotations) -> list[tuple[int, int]]:
    return [(label.action.verb_class, label.action.noun_class) for label in found.labels]


def test_plain_columns_without_classes_number_them_by_name(tmp_path: Path) -> None:
    text = f"{PLAIN}\n007,5,6,wash,cup\n007,1.5,2,close,door\nb,0,1,wash,bowl\n"
    found = read(tmp_path / "plain.csv", text)
    assert found.verbs.names == {0: "close", 1: "wash"}
    assert found.nouns.names == {0: "bowl", 1: "cup", 2: "door"}
    assert found.nouns.source == "numbered in order of the names in plain.csv"
    assert classes(found) == [(1, 1), (0, 2), (1, 0)]
    assert [label.where for label in found.labels] == [f"plain.csv line {n}" for n in (2, 3, 4)]
    assert found.labels[1].video_id == "007"
    assert (found.labels[1].action.start_seconds, found.labels[1].action.stop_seconds) == (1.5, 2)


def test_class_zero_stays_zero(tmp_path: Path) -> None:
    text = f"{PLAIN},verb_class,noun_class\na,0,1,open,door,0,0\na,1,2,shut,door,7,0\n"
    found = read(tmp_path / "plain.csv", text)
    assert classes(found) == [(0, 0), (7, 0)]
    assert (found.verbs.names, found.nouns.names) == ({0: "open", 7: "shut"}, {0: "door"})
    assert found.verbs.source == "plain.csv"


def test_a_class_that_is_not_given_is_unknown_and_has_no_name(tmp_path: Path) -> None:
    found = read(tmp_path / "plain.csv", f"{PLAIN},verb_class,noun_class\na,0,1,open,door,,4\n")
    assert classes(found) == [(-1, 4)]
    assert (found.verbs.names, found.nouns.names) == ({}, {4: "door"})


def test_only_the_column_that_is_missing_is_numbered(tmp_path: Path) -> None:
    text = f"{PLAIN},verb_class\na,0,1,open,door,5\na,1,2,shut,cup,3\n"
    assert classes(read(tmp_path / "plain.csv", text)) == [(5, 1), (3, 0)]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("a,one,2,open,door", "start_seconds is 'one', which is no number"),
        ("a,nan,2,open,door", "start_seconds is 'nan', which is no number"),
        ("a,1,inf,open,door", "stop_seconds is 'inf', which is no number"),
        ("a,1,2,open", "a field is missing: noun"),
        ("a", "a field is missing: start_seconds"),
        (" ,1,2,open,door", "a field is missing: video_id is empty"),
    ],
)
def test_a_bad_row_is_named_by_file_and_line(tmp_path: Path, row: str, reason: str) -> None:
    path = tmp_path / "plain.csv"
    with pytest.raises(UserError, match=rf"{path} line 3: {reason}"):
        read(path, f"{PLAIN}\na,0,1,open,door\n{row}\na,5,6,open,door\n")


def test_a_class_below_what_stands_for_unknown_is_a_bad_row(tmp_path: Path) -> None:
    path, header = tmp_path / "plain.csv", f"{PLAIN},noun_class"
    (known,) = read(path, f"{header}\na,0,1,open,door,-1\n").labels
    assert known.action.noun_class == -1
    with pytest.raises(UserError, match=rf"{path} line 2: noun_class is -7; .* 0 or more"):
        read(path, f"{header}\na,0,1,open,door,-7\n")


def test_a_class_column_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="the column 'verb_class' stands there twice"):
        read(tmp_path / "plain.csv", f"{PLAIN},verb_class,verb_class\na,0,1,open,door,1,2\n")


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        (
            ['a,1,2,cut,"6 inch board', "a,3,4,open,door", 'a,5,6,cut,8" board'],
            "',' expected after",
        ),
        (['a,1,2,cut,"6 inch board', "a,3,4,open,door", 'a,5,6,cut,"board"'], "',' expected after"),
        (
            ['a,1,2,cut,"6 inch board', "a,3,4,open,door", 'a,5,6,cut,board"'],
            "a field holds a line",
        ),
        (['a,1,2,cut,"6 inch board', "a,3,4,open,door"], "unexpected end of data"),
        (['a,1,2,cut,"6" board'], "',' expected after"),
        (['a,1,2,cut,"board'], "unexpected end of data"),
        (['a,1,2,cut,"two', 'lines"'], "a field holds a line break"),
    ],
)
@pytest.mark.parametrize("end", ["\n", "\r\n", ""])
def test_a_stray_quote_swallows_no_rows(
    tmp_path: Path, rows: list[str], reason: str, end: str
) -> None:
    path, joint = tmp_path / "plain.csv", end or "\n"
    text = joint.join([PLAIN, "a,0,1,open,door", "", *rows]) + end
    with pytest.raises(UserError, match=rf"^{path} line 4: {reason}.* quote"):
        read(path, text)


def test_so_it_does_in_a_column_that_is_not_read(tmp_path: Path) -> None:
    """Between two quotes of one column nothing tells rows from the lines of a text."""
    rows = ['a,0,1,open,door,"6 inch', "a,1,2,cut,board,", 'a,2,3,open,door,wide"']
    with pytest.raises(UserError, match=r"line 2: .* no line breaks within a field: take them out"):
        read(tmp_path / "plain.csv", "\n".join([f"{PLAIN},notes", *rows, ""]))


@pytest.mark.parametrize("space", ["", " ", "\t "])
def test_quotes_that_are_closed_or_in_a_text_are_legal(tmp_path: Path, space: str) -> None:
    nouns = ("board, wooden", '6" board', "['a', 'b']", 'the "big" one', 'one," , two')
    fields = ['"{}"'.format(noun.replace('"', '""')) for noun in nouns]
    fields[1] = nouns[1]
    rows = "".join(f'"a"{space},{n},9,open,{field}{space}\n' for n, field in enumerate(fields))
    found = read(tmp_path / "plain.csv", f"{PLAIN}\n{rows}")
    assert tuple(label.action.noun for label in found.labels) == nouns


@pytest.mark.parametrize("row", ["a,2,2,open,door", "a,3,2,open,door", "a,-1,2,open,door"])
def test_what_can_be_read_is_read(tmp_path: Path, row: str) -> None:
    """What is wrong with it is for the check to say."""
    assert len(read(tmp_path / "plain.csv", f"{PLAIN}\n{row}\n").labels) == 1


@pytest.mark.parametrize(
    "text",
    ["", "video_id,seconds\na,1\n", "\x00\x01\r\x02\n", '{"json": 1}\n', "id,key,instances\n"],
)
def test_other_tables_are_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(UserError, match=str(tmp_path / "other.csv")) as caught:
        read(tmp_path / "other.csv", text)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("header", "said"),
    [
        ("video_id,start_seconds,verb", "no column 'stop_seconds', 'noun' (its columns: video_id"),
        (
            "video_id,start_seconds,stop_seconds,Verb,noun",
            "no column 'verb' (did you mean 'Verb'?)",
        ),
        (
            "video,start_seconds,stop seconds,verb,noun",
            "'video_id' (did you mean 'video'?), 'stop_seconds' (did you mean 'stop seconds'?)",
        ),
        (PLAIN.replace(",", ";"), "fields are separated by ';', make it commas"),
        (PLAIN.replace(",", "\t"), "fields are separated by tabs, make it commas"),
        (
            "video_id,start_timestamp,stop_timestmp,verb,verb_class,noun,noun_class",
            "no column 'stop_timestamp' (did you mean 'stop_timestmp'?)",
        ),
    ],
)
def test_missing_columns_are_named_with_their_near_misses(
    tmp_path: Path, header: str, said: str
) -> None:
    path = tmp_path / "other.csv"
    with pytest.raises(UserError) as caught:
        read(path, f"{header}\n")
    assert str(caught.value).startswith(f"{path} line 1: no column ")
    assert said in str(caught.value)


def test_ids_are_composed_unicode(tmp_path: Path) -> None:
    """As those of files: macOS writes é as two characters."""
    found = read(tmp_path / "plain.csv", f"{PLAIN}\ncafe\u0301,0,1,open,door\n")
    assert found.labels[0].video_id == "caf\u00e9"


def test_names_that_look_alike_are_one_class(tmp_path: Path) -> None:
    names = ("open,p\u00e2t\u00e9", "open ,pa\u0302te\u0301", " open,p\u00e2t\u00e9 ", "Open, ")
    rows = "".join(f"a,{n},{n + 1},{name}\n" for n, name in enumerate(names))
    found = read(tmp_path / "plain.csv", f"{PLAIN}\n{rows}")
    assert found.verbs.names == {0: "Open", 1: "open"}
    assert found.nouns.names == {0: "p\u00e2t\u00e9"}
    assert classes(found) == [(1, 0), (1, 0), (1, 0), (0, -1)]


def test_capitals_are_another_class_and_said_to_be(tmp_path: Path) -> None:
    text = f"{PLAIN}\na,0,1,open,Door\na,1,2,Open,Door\na,2,3,Open,door\na,3,4,open,Door\n"
    found = check(read(tmp_path / "plain.csv", text), {"a"}, {})
    assert found.num_actions == 4
    assert [(f.kind, f.label.where, f.detail) for f in found.findings] == [
        (Kind.capitals, "plain.csv line 3", "verb 'Open', earlier 'open'"),
        (
            Kind.capitals,
            "plain.csv line 4",
            "verb 'Open', earlier 'open', noun 'door', earlier 'Door'",
        ),
    ]
    numbered = text.replace("noun\n", "noun,verb_class,noun_class\n").replace("oor\n", "oor,0,0\n")
    assert not check(read(tmp_path / "plain.csv", numbered), {"a"}, {}).findings


def test_what_is_no_utf8_is_named_by_line(tmp_path: Path) -> None:
    path = tmp_path / "plain.csv"
    path.write_bytes(
        f"{PLAIN}\r\na,0,1,open,door\r\na,1,2,open,p\u00e2t\u00e9\r\n".encode("latin-1")
    )
    with pytest.raises(UserError, match=f"^{path} line 3: bytes that are no UTF-8; save it as UTF"):
        read_annotations(str(path))
