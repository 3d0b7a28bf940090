"""Moments of interaction in files: what `detect` writes and what users bring themselves.

Parquet or CSV with the columns video_id, seconds and, optionally, prominence; or Ego4D's
fho_main.json, whose points of no return are moments.
"""

from __future__ import annotations

import io
import math
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from replai.core import storage
from replai.core.annotations import Annotations, is_json, read_annotations
from replai.core.annotations.labels import file_name
from replai.core.annotations.tables import Row, open_table
from replai.core.arrow import arrow_file, read_parquet
from replai.core.errors import UserError
from replai.core.record import LARGEST_NUMBER, Moment
from replai.core.video_ids import normal_id

SCHEMA = pa.schema(
    [("video_id", pa.string()), ("seconds", pa.float64()), ("prominence", pa.float64())]
)
JOB_KEY, DETECTOR_KEY, UNIT_KEY = b"sharder.job", b"sharder.detector", b"sharder.unit"


def write_moments(
    url: str,
    moments: Mapping[str, Sequence[Moment]],
    job: str,
    detector: str = "",
    unit: str = "",
) -> None:
    """Writes the moments of each video id as Parquet.

    Its metadata say what they were made from (`job`), by which `detector` (with its settings),
    and the `unit` of their prominences.
    """
    rows = [(video_id, moment) for video_id in sorted(moments) for moment in moments[video_id]]
    table = pa.table(
        {
            "video_id": [video_id for video_id, _ in rows],
            "seconds": [moment.seconds for _, moment in rows],
            "prominence": [moment.prominence for _, moment in rows],
        },
        schema=SCHEMA.with_metadata({JOB_KEY: job, DETECTOR_KEY: detector, UNIT_KEY: unit}),
    )
    sink = io.BytesIO()
    pq.write_table(table, sink, compression="zstd")
    storage.write_bytes(url, sink.getvalue())


def read_moments(url: str, source_ids: Set[str] | None = None) -> dict[str, list[Moment]]:
    """video id → moments in ascending order, from Parquet, CSV or fho_main.json; one at a time.

    `source_ids`: of the videos that moments are wanted for; see `state_changes`.

    Raises UserError for a file that is none, a missing column, a time that is no number and a
    prominence that no sample's record can hold.
    """
    if is_json(url):
        return state_changes(read_annotations(url), source_ids)
    moments: dict[str, list[Moment]] = {}
    for video_id, moment in _parquet_rows(url) if _is_parquet(url) else _csv_rows(url):
        moments.setdefault(normal_id(video_id), []).append(moment)
    return {video_id: _once(found) for video_id, found in moments.items()}


def _once(moments: Sequence[Moment]) -> list[Moment]:
    """In ascending order; of several at one time the most prominent."""
    by_time: dict[float, Moment] = {}
    for one in sorted(moments, key=lambda m: -math.inf if m.prominence is None else m.prominence):
        by_time[one.seconds] = one
    return [by_time[seconds] for seconds in sorted(by_time)]


def _is_parquet(url: str) -> bool:
    with storage.reading(url) as file:
        return file.read(4) == b"PAR1"


def _csv_rows(url: str) -> list[tuple[str, Moment]]:
    table = open_table(url)
    table.require([name for name in SCHEMA.names if name != "prominence"], optional=["prominence"])
    return table.read(_csv_row)


def _csv_row(row: Row) -> tuple[str, Moment]:
    row.name("video_id")  # which may begin or end with a space, but not be empty
    seconds = row.seconds("seconds")
    if seconds < 0:
        raise ValueError(f"seconds is {seconds:g}, before the video's start")
    prominence = row.seconds("prominence") if row.fields.get("prominence") else None
    return row.text("video_id"), Moment(seconds=seconds, prominence=_storable(prominence))


def _storable(prominence: float | None) -> float | None:
    """`prominence`. Raises ValueError if a sample's record cannot hold it."""
    if prominence is not None and not abs(prominence) < LARGEST_NUMBER:  # so NaN is refused too
        raise ValueError(f"a prominence of {prominence:g}; it must be below {LARGEST_NUMBER:g}")
    return prominence


def _parquet_rows(url: str) -> Iterator[tuple[str, Moment]]:
    table = _read_table(url)
    missing = {"video_id", "seconds"} - set(table.column_names)
    if missing:
        raise UserError(
            f"{url} has no column {sorted(missing)[0]!r} (it has {', '.join(table.column_names)})"
        )
    twice = [name for name in SCHEMA.names if table.column_names.count(name) > 1]
    if twice:
        raise UserError(f"{url}: the column {twice[0]!r} stands there twice")
    ids = _values(url, table, "video_id", pa.string(), "text")
    times = _values(url, table, "seconds", pa.float64(), "number")
    prominences: list[float | None] = [None] * len(ids)
    if "prominence" in table.column_names:
        prominences = _values(url, table, "prominence", pa.float64(), "number")
    for line, (video_id, time, prominence) in enumerate(zip(ids, times, prominences, strict=True)):
        if not video_id or time is None or not math.isfinite(time) or time < 0:
            raise UserError(f"{url} row {line + 1}: no moment (video_id {video_id!r}, {time!r} s)")
        try:
            yield video_id, Moment(seconds=time, prominence=_storable(prominence))
        except ValueError as error:
            raise UserError(f"{url} row {line + 1}: {error}") from None


def state_changes(
    annotations: Annotations, source_ids: Set[str] | None = None
) -> dict[str, list[Moment]]:
    """video or clip id → the points of no return of the actions that nobody rejected.

    Each stands under the id of its video and that of its clip. With `source_ids`, under those of
    the two that are among them, or under its video's alone if neither is: it counts once.
    """
    times: dict[str, set[float]] = {}
    for label in annotations.labels:
        seconds = label.action.pnr_seconds
        if seconds is None or label.rejected:
            continue
        clocks = {label.video_id: seconds}
        if label.clip_id:
            clocks[label.clip_id] = seconds - label.clip_start_seconds
        if source_ids is not None:
            wanted = [one for one in clocks if one in source_ids] or [label.video_id]
            clocks = {one: clocks[one] for one in wanted}
        for video_id, at in clocks.items():
            times.setdefault(video_id, set()).add(at)
    return {
        video_id: [Moment(seconds=seconds, prominence=None) for seconds in sorted(found)]
        for video_id, found in times.items()
    }


@dataclass(frozen=True, kw_only=True)
class MomentsOrigin:
    """Where moments come from; empty where that is not known."""

    file: str = ""
    detector: str = ""
    """With its settings."""
    unit: str = ""
    """Of their prominences."""


def origin_of(url: str) -> MomentsOrigin:
    """Where the moments in the file `url` come from, as far as it says."""
    return MomentsOrigin(
        file=file_name(url), detector=_metadata(url, DETECTOR_KEY) or "", unit=unit_of(url)
    )


def job_of(url: str) -> str | None:
    """The job that wrote the moments file `url`; None if it is not one of ours."""
    return _metadata(url, JOB_KEY)


def unit_of(url: str) -> str:
    """The unit of the prominences in the moments file `url`; empty if it does not say."""
    return _metadata(url, UNIT_KEY) or ""


def _metadata(url: str, key: bytes) -> str | None:
    if not _is_parquet(url):
        return None
    try:
        metadata = pq.read_schema(arrow_file(storage.read_bytes(url))).metadata or {}
    except (pa.ArrowException, OSError):
        return None
    value = metadata.get(key)
    return value.decode() if value else None


def _read_table(url: str) -> pa.Table:
    data = storage.read_bytes(url)
    try:
        return read_parquet(data)
    except (pa.ArrowException, OSError) as error:
        raise UserError(f"{url} is damaged Parquet: {str(error).splitlines()[0]}") from None


def _values(url: str, table: pa.Table, name: str, kind: pa.DataType, what: str) -> list[Any]:
    try:
        values: list[Any] = table.column(name).cast(kind).to_pylist()
        return values
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, UnicodeDecodeError):
        raise UserError(f"{url}: the column {name!r} holds something that is no {what}") from None
