"""Labelled actions: EPIC-Kitchens-100's CSV, or a plain CSV in seconds.

EPIC    video_id, start_timestamp, stop_timestamp (HH:MM:SS.ss), verb, verb_class, noun,
        noun_class and further columns that are not read
plain   video_id, start_seconds, stop_seconds, verb, noun [, verb_class, noun_class]
"""

from __future__ import annotations

import csv
import io
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

    In a plain CSV without class columns, classes are numbered in the order of the names. Raises
    UserError that names file and line for a missing column or a value that cannot be read.
    """
    text = storage.read_bytes(url).decode("utf-8-sig", errors="replace")
    reader = csv.DictReader(io.StringIO(text))
    columns = tuple(reader.fieldnames or ())
    if set(EPIC_COLUMNS) <= set(columns):
        rows = _read_rows(url, reader, _epic_action)
    elif set(PLAIN_COLUMNS) <= set(columns):
        rows = _read_rows(url, reader, _plain_action)
        if "verb_class" not in columns or "noun_class" not in columns:
            rows = _with_numbered_classes(rows)
    else:
        missing = [name for name in PLAIN_COLUMNS if name not in columns]
        raise UserError(
            f"{url} has neither EPIC-Kitchens' columns nor {', '.join(PLAIN_COLUMNS)}; "
            f"missing: {', '.join(missing)}"
        )
    return _annotations(rows)


def parse_timestamp(text: str) -> float:
    """Seconds of an `HH:MM:SS.ss` timestamp. Raises ValueError."""
    hours, minutes, seconds = text.split(":")
    return int(hours) * 3600 + int(minutes) * 60 + float(seconds)


Row = tuple[str, Action]


def _read_rows(
    url: str, reader: csv.DictReader[str], parse: Callable[[dict[str, str]], Action]
) -> list[Row]:
    rows: list[Row] = []
    for fields in reader:
        try:
            action = parse(fields)
            if not 0 <= action.start_seconds < action.stop_seconds:
                raise ValueError(
                    f"the action [{action.start_seconds:g}, {action.stop_seconds:g}) is empty"
                )
        except (ValueError, TypeError, AttributeError) as error:
            raise UserError(f"{url} line {reader.line_num}: {error}") from None
        rows.append((fields["video_id"], action))
    return rows


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


def _with_numbered_classes(rows: list[Row]) -> list[Row]:
    verbs = {name: number for number, name in enumerate(sorted({a.verb for _, a in rows}))}
    nouns = {name: number for number, name in enumerate(sorted({a.noun for _, a in rows}))}
    return [
        (video_id, replace(a, verb_class=verbs[a.verb], noun_class=nouns[a.noun]))
        for video_id, a in rows
    ]


def _annotations(rows: Iterable[Row]) -> Annotations:
    found = Annotations()
    for video_id, action in rows:
        found.actions.setdefault(video_id, []).append(action)
        found.verbs.setdefault(str(action.verb_class), action.verb)
        found.nouns.setdefault(str(action.noun_class), action.noun)
    for actions in found.actions.values():
        actions.sort(key=lambda action: (action.start_seconds, action.stop_seconds))
    return found
