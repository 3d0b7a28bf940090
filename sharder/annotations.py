"""Labelled actions: EPIC-Kitchens-100's CSV, or a plain CSV in seconds.

EPIC    video_id, start_timestamp, stop_timestamp (HH:MM:SS.ss), verb, verb_class, noun,
        noun_class and further columns that are not read
plain   video_id, start_seconds, stop_seconds, verb, noun [, verb_class, noun_class]
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

from replai.core import storage
from replai.core.errors import UserError
from replai.core.record import Action

PLAIN_COLUMNS = ("video_id", "start_seconds", "stop_seconds", "verb", "noun")
EPIC_COLUMNS = (
    "video_id", "start_timestamp", "stop_timestamp", "verb", "verb_class", "noun", "noun_class",
)  # fmt: skip


@dataclass(frozen=True)
class Annotations:
    """Labelled actions by video id, and the names of the classes that occur."""

    actions: dict[str, list[Action]] = field(default_factory=dict)
    verbs: dict[str, str] = field(default_factory=dict)
    """Class id (as text) → name."""
    nouns: dict[str, str] = field(default_factory=dict)


def read_annotations(url: str) -> Annotations:
    """The actions in the CSV at `url`.

    In a plain CSV without a class column, its classes are numbered in order of the names. Raises
    UserError that names file and line for a missing column or a value that cannot be read.
    """
    text = storage.read_bytes(url).decode("utf-8-sig", errors="replace")
    reader = csv.DictReader(io.StringIO(text))
    columns = _columns(url, reader)
    if set(EPIC_COLUMNS) <= set(columns):
        rows = _read_rows(url, reader, _epic_action)
    elif set(PLAIN_COLUMNS) <= set(columns):
        rows = _read_rows(url, reader, _plain_action)
        if "verb_class" not in columns:
            rows = _with_numbered_verbs(rows)
        if "noun_class" not in columns:
            rows = _with_numbered_nouns(rows)
    else:
        missing = [name for name in PLAIN_COLUMNS if name not in columns]
        raise UserError(
            f"{url} has neither EPIC-Kitchens' columns nor {', '.join(PLAIN_COLUMNS)}; "
            f"missing: {', '.join(missing)}"
        )
    return _annotations(rows)


def parse_timestamp(text: str) -> float:
    """Seconds of an `HH:MM:SS.ss` timestamp. Raises ValueError."""
    try:
        hours, minutes, seconds = text.split(":")
        return int(hours) * 3600 + int(minutes) * 60 + float(seconds)
    except ValueError:
        raise ValueError(f"{text!r} is no HH:MM:SS.ss timestamp") from None


Row = tuple[str, Action]


def _read_rows(
    url: str, reader: csv.DictReader[str], parse: Callable[[dict[str, str]], Action]
) -> list[Row]:
    rows: list[Row] = []
    try:
        for fields in reader:
            if None in fields.values() or not fields["video_id"]:
                raise ValueError("a field is missing")
            action = parse(fields)
            if not 0 <= action.start_seconds < action.stop_seconds < math.inf:
                raise ValueError(
                    f"no action lasts from {action.start_seconds:g} to {action.stop_seconds:g} s"
                )
            rows.append((fields["video_id"], action))
    except (ValueError, csv.Error) as error:
        raise UserError(f"{url} line {reader.line_num}: {error}") from None
    return rows


def _columns(url: str, reader: csv.DictReader[str]) -> tuple[str, ...]:
    try:
        return tuple(reader.fieldnames or ())
    except csv.Error as error:
        raise UserError(f"{url} is no CSV: {error}") from None


def _epic_action(fields: dict[str, str]) -> Action:
    return Action(
        start_seconds=parse_timestamp(fields["start_timestamp"]),
        stop_seconds=parse_timestamp(fields["stop_timestamp"]),
        verb=fields["verb"],
        noun=fields["noun"],
        verb_class=int(fields["verb_class"]),
        noun_class=int(fields["noun_class"]),
    )


def _plain_action(fields: dict[str, str]) -> Action:
    return Action(
        start_seconds=float(fields["start_seconds"]),
        stop_seconds=float(fields["stop_seconds"]),
        verb=fields["verb"],
        noun=fields["noun"],
        verb_class=int(fields.get("verb_class") or -1),
        noun_class=int(fields.get("noun_class") or -1),
    )


def _with_numbered_verbs(rows: list[Row]) -> list[Row]:
    verbs = sorted({action.verb for _, action in rows})
    return [(video_id, replace(a, verb_class=verbs.index(a.verb))) for video_id, a in rows]


def _with_numbered_nouns(rows: list[Row]) -> list[Row]:
    nouns = sorted({action.noun for _, action in rows})
    return [(video_id, replace(a, noun_class=nouns.index(a.noun))) for video_id, a in rows]


def _annotations(rows: Iterable[Row]) -> Annotations:
    found = Annotations()
    for video_id, action in rows:
        found.actions.setdefault(video_id, []).append(action)
        if action.verb_class >= 0:
            found.verbs.setdefault(str(action.verb_class), action.verb)
        if action.noun_class >= 0:
            found.nouns.setdefault(str(action.noun_class), action.noun)
    for actions in found.actions.values():
        actions.sort(key=lambda action: (action.start_seconds, action.stop_seconds))
    return found
