"""annotation-findings.csv of a dataset root: a row a finding, those of earlier packs first."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterable, Sequence

from replai.core.annotations.findings import CheckedAnnotations, Kind
from replai.core.annotations.labels import Label

COLUMNS = (
    "finding",
    "where",
    "video_id",
    "start_seconds",
    "stop_seconds",
    "verb",
    "noun",
    "detail",
)

Row = tuple[str, ...]
"""As COLUMNS."""


def finding_rows(checked: CheckedAnnotations) -> list[Row]:
    """A row a finding."""
    return [(one.kind.name, *_named(one.label), one.detail) for one in checked.findings]


def joined_rows(before: Sequence[Row], checked: CheckedAnnotations) -> list[Row]:
    """The rows of `before`, and behind them what was found now.

    A video that was absent before may be here now: what is found of its labels now counts. Joining
    the same once more changes nothing.
    """
    found, labels = finding_rows(checked), {_named(label) for label in checked.labels}
    again = set(found)
    kept = [
        row
        for row in before
        if row not in again and not (row[0] == Kind.absent.name and row[1:-1] in labels)
    ]
    return [*kept, *found]


def counts(rows: Iterable[Row]) -> dict[Kind, int]:
    """How many rows of each kind there are."""
    counted = Counter(row[0] for row in rows)
    return {kind: counted[kind.name] for kind in Kind if counted[kind.name]}


def to_csv(rows: Iterable[Row]) -> str:
    """The file's text. All is in quotes: else a lone carriage return in a name ends its row."""
    sink = io.StringIO()
    csv.writer(sink, lineterminator="\n", quoting=csv.QUOTE_ALL).writerows((COLUMNS, *rows))
    return sink.getvalue()


def from_csv(text: str) -> list[Row]:
    """The rows of the file's text. Raises ValueError if it is none of ours."""
    try:
        head, *rows = map(tuple, csv.reader(io.StringIO(text, newline=""), strict=True))
    except csv.Error as error:
        raise ValueError(str(error)) from None
    if head != COLUMNS or any(len(row) != len(COLUMNS) for row in rows):
        raise ValueError(f"its columns are not {', '.join(COLUMNS)}")
    return rows


def _named(label: Label) -> Row:
    action = label.action
    times = (str(action.start_seconds), str(action.stop_seconds))
    return (label.place, label.video_id, *times, action.verb, action.noun)
