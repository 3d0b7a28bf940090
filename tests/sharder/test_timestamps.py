"""Moments in files: what is written is read again, and what is no moment is named."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from replai.core import storage
from replai.core.errors import UserError
from replai.core.record import Moment
from sharder.timestamps import (
    MomentsOrigin,
    job_of,
    origin_of,
    read_moments,
    unit_of,
    write_moments,
)


def parquet(path: Path, **columns: Any) -> str:
    pq.write_table(pa.table(columns), path)
    return str(path)


def csv_file(path: Path, text: str) -> str:
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    url = str(tmp_path / "new" / "moments.parquet")
    moments = {
        "b": [Moment(seconds=0.1 + 0.2, prominence=1.5)],
        "кухня 007": [Moment(seconds=1e-9, prominence=None), Moment(seconds=7.0, prominence=2.0)],
    }
    write_moments(url, moments, "the job", "a detector", "dB")
    assert read_moments(url) == moments
    assert (job_of(url), unit_of(url)) == ("the job", "dB")
    assert pq.read_schema(url).metadata[b"sharder.detector"] == b"a detector"


def test_the_same_moments_are_the_same_bytes(tmp_path: Path) -> None:
    one, two = ([Moment(seconds=s, prominence=1.0)] for s in (1.0, 2.0))
    write_moments(str(tmp_path / "1"), {"a": one, "b": two}, "job")
    write_moments(str(tmp_path / "2"), {"b": two, "a": one}, "job")
    assert (tmp_path / "1").read_bytes() == (tmp_path / "2").read_bytes()


def test_a_time_given_twice_is_one_moment(tmp_path: Path) -> None:
    """As where a file has a row for each label: two views of one instant are no two moments."""
    text = "video_id,seconds,prominence\na,2,1\na,2,3\na,2,\na,1,\n"
    found = read_moments(csv_file(tmp_path / "m.csv", text))
    assert found == {
        "a": [Moment(seconds=1.0, prominence=None), Moment(seconds=2.0, prominence=3.0)]
    }


def test_csv_in_any_order_with_further_columns(tmp_path: Path) -> None:
    text = "note,seconds,video_id,prominence\nx,2.5,a,1\ny,1,b,\nz,0.25,a,3\n"
    expected = {
        "a": [Moment(seconds=0.25, prominence=3.0), Moment(seconds=2.5, prominence=1.0)],
        "b": [Moment(seconds=1.0, prominence=None)],
    }
    assert read_moments(csv_file(tmp_path / "m.csv", text)) == expected
    assert read_moments(csv_file(tmp_path / "bom.csv", "\ufeff" + text)) == expected
    assert read_moments(csv_file(tmp_path / "crlf.csv", text.replace("\n", "\r\n"))) == expected


def test_an_id_that_looks_like_a_number_stays_as_it_is(tmp_path: Path) -> None:
    url = csv_file(tmp_path / "m.csv", "video_id,seconds\n007,1\n1e3,2\n12.50,3\nNaN,4\n")
    assert list(read_moments(url)) == ["007", "1e3", "12.50", "NaN"]
    numbers = parquet(tmp_path / "m.parquet", video_id=[7, 12], seconds=[1, 2])
    assert list(read_moments(numbers)) == ["7", "12"]


def test_ids_as_a_dictionary_and_times_as_text(tmp_path: Path) -> None:
    """As pandas writes categories."""
    ids = pa.array(["a", "b", "a"]).dictionary_encode()
    url = parquet(tmp_path / "m.parquet", video_id=ids, seconds=["1.5", "2", "3e-1"])
    found = {video_id: [m.seconds for m in ms] for video_id, ms in read_moments(url).items()}
    assert found == {"a": [0.3, 1.5], "b": [2.0]}


@pytest.mark.parametrize(("ids", "seconds"), [(["a"], ["x"]), (["a"], [[1.0]])])
def test_what_is_no_number_names_its_column(
    tmp_path: Path, ids: list[str], seconds: list[Any]
) -> None:
    url = parquet(tmp_path / "m.parquet", video_id=ids, seconds=seconds)
    with pytest.raises(UserError, match=rf"{url}.*'seconds'.*no number"):
        read_moments(url)


@pytest.mark.parametrize("ids", [[["a"]], [b"\xff"]])
def test_ids_that_are_no_text_are_refused(tmp_path: Path, ids: list[Any]) -> None:
    url = parquet(tmp_path / "m.parquet", video_id=ids, seconds=[1.0])
    with pytest.raises(UserError, match=rf"{url}.*'video_id'.*no text"):
        read_moments(url)


def test_of_what_is_no_parquet_the_beginning_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ego4D's fho_main.json has 2 GB."""
    monkeypatch.setattr(storage, "read_bytes", None)
    url = csv_file(tmp_path / "fho_main.json", "{}")
    assert origin_of(url) == MomentsOrigin(file="fho_main.json")
    assert job_of(url) is None


@pytest.mark.parametrize("time", ["00:01:02", "abc", "1,5", "2020-01-01"])
def test_csv_times_that_are_no_numbers(tmp_path: Path, time: str) -> None:
    url = csv_file(tmp_path / "m.csv", f'video_id,seconds\na,1\na,"{time}"\n')
    with pytest.raises(UserError, match=r"m\.csv line 3: seconds is .*no number"):
        read_moments(url)


@pytest.mark.parametrize("time", [math.nan, math.inf, -0.001, None])
def test_a_row_without_a_time_is_named(tmp_path: Path, time: float | None) -> None:
    url = parquet(tmp_path / "m.parquet", video_id=["a", "b"], seconds=[1.0, time])
    with pytest.raises(UserError, match=rf"{url} row 2: no moment \(video_id 'b'"):
        read_moments(url)


def test_missing_values_in_csv(tmp_path: Path) -> None:
    for row in ("a,", "a,nan", "a", ",1", "a,-1"):
        url = csv_file(tmp_path / "m.csv", f"video_id,seconds\nx,1\ny,2\n{row}\n")
        with pytest.raises(UserError, match=r"m\.csv line 4: "):
            read_moments(url)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("video_id;seconds\na;1\n", "separated by ';', make it commas"),
        ("video_id,Seconds\na,1\n", r"\(did you mean 'Seconds'\?\)"),
        ("video_id,seconds,seconds\na,1,2\n", "column 'seconds' stands there twice"),
        ("video_id,seconds\na,1,5\n", "line 2: 3 fields for 2 columns"),
        ("video_id,seconds\0\na,1\n", "no CSV of UTF-8 text"),
    ],
)
def test_what_is_wrong_with_a_csv_is_named(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(UserError, match=told):
        read_moments(csv_file(tmp_path / "m.csv", text))


def test_an_id_keeps_its_spaces_and_commas_behind_a_row_mean_nothing(tmp_path: Path) -> None:
    url = csv_file(tmp_path / "m.csv", "video_id,seconds\na ,1,\n")
    assert read_moments(url) == {"a ": [Moment(seconds=1.0, prominence=None)]}


@pytest.mark.parametrize("prominence", [math.nan, math.inf, 1e9, -2.5e10])
def test_a_prominence_that_no_record_can_hold_is_named(tmp_path: Path, prominence: float) -> None:
    """A sample with it would be refused by each of its readers."""
    url = parquet(
        tmp_path / "m.parquet", video_id=["a"], seconds=[1.0], prominence=pa.array([prominence])
    )
    with pytest.raises(UserError, match=r"row 1: a prominence of"):
        read_moments(url)
    url = csv_file(
        tmp_path / "m.csv", f"video_id,seconds,prominence\nx,1,999999999\na,1,{prominence}"
    )
    with pytest.raises(UserError, match=r"m\.csv line 3: .*prominence"):
        read_moments(url)


@pytest.mark.parametrize("twice", ["video_id", "seconds", "prominence"])
def test_a_column_that_stands_there_twice_is_named(tmp_path: Path, twice: str) -> None:
    names = ["video_id", "seconds", "prominence", twice]
    path = tmp_path / "m.parquet"
    pq.write_table(pa.table([pa.array(["1"])] * 4, names=names), path)
    with pytest.raises(UserError, match=f"the column '{twice}' stands there twice"):
        read_moments(str(path))
    url = csv_file(tmp_path / "m.csv", f"{','.join(names)}\n1,1,1,1\n")
    with pytest.raises(UserError, match=f"the column '{twice}' stands there twice"):
        read_moments(url)


@pytest.mark.parametrize("missing", ["video_id", "seconds"])
def test_a_missing_column_is_named(tmp_path: Path, missing: str) -> None:
    columns = {"video_id": ["a"], "seconds": [1.0], "extra": [0]}
    del columns[missing]
    url = parquet(tmp_path / "m.parquet", **columns)
    with pytest.raises(UserError, match=rf"{url} has no column '{missing}'.*extra"):
        read_moments(url)


@pytest.mark.parametrize(
    "data", [b"", b"PAR1", b"PAR1" + bytes(100) + b"PAR1", b"\x00\xff\xfe" * 50, b"a,b\n1\n2,3,4\n"]
)
def test_what_is_no_table_is_refused(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "moments"
    path.write_bytes(data)
    with pytest.raises(UserError, match=str(path)):
        read_moments(str(path))
    assert (job_of(str(path)), unit_of(str(path))) == (None, "")


def test_a_damaged_file_is_an_error_of_one_line(tmp_path: Path) -> None:
    write_moments(str(tmp_path / "m"), {"a": [Moment(seconds=1.0, prominence=1.0)]}, "job")
    data = (tmp_path / "m").read_bytes()
    for at in range(8, len(data), 23):
        (tmp_path / "m").write_bytes(data[:at] + bytes(9) + data[at + 9 :])
        try:
            read_moments(str(tmp_path / "m"))
        except UserError as error:
            assert "\n" not in str(error)


def test_a_file_that_is_not_there_and_a_folder(tmp_path: Path) -> None:
    for path in (tmp_path / "absent.csv", tmp_path):
        with pytest.raises(UserError, match=str(path)):
            read_moments(str(path))


def test_a_table_without_rows_has_no_moments(tmp_path: Path) -> None:
    assert read_moments(csv_file(tmp_path / "m.csv", "video_id,seconds\n")) == {}
