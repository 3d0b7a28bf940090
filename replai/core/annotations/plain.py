"""A plain CSV: video_id, start_seconds, stop_seconds, verb, noun [, verb_class, noun_class]."""

from __future__ import annotations

from replai.core.annotations.labels import Annotations, Classes, Label, file_name, with_class_ids
from replai.core.annotations.tables import Row, Table
from replai.core.record import Action
from replai.core.video_ids import normal_id

COLUMNS = ("video_id", "start_seconds", "stop_seconds", "verb", "noun")
CLASS_COLUMNS = ("verb_class", "noun_class")


def read_plain(table: Table) -> Annotations:
    """The labels of a plain CSV. Without a class column its classes are numbered by name.

    Raises UserError that names file and line for a missing column or a value that is none.
    """
    table.require(COLUMNS, optional=CLASS_COLUMNS)
    source = file_name(table.url)
    labels = tuple(table.read(lambda row: _label(row, source)))
    actions = [label.action for label in labels]
    if "verb_class" in table.columns:
        verbs = Classes.occurring(((a.verb_class, a.verb) for a in actions), source)
    else:
        verbs = Classes.numbered((a.verb for a in actions), source)
        labels = with_class_ids(labels, verbs=verbs)
    if "noun_class" in table.columns:
        nouns = Classes.occurring(((a.noun_class, a.noun) for a in actions), source)
    else:
        nouns = Classes.numbered((a.noun for a in actions), source)
        labels = with_class_ids(labels, nouns=nouns)
    return Annotations(labels=labels, verbs=verbs, nouns=nouns, files=(source,))


def _label(row: Row, source: str) -> Label:
    return Label(
        where=f"{source} line {row.line}",
        video_id=normal_id(row.name("video_id")),
        action=Action(
            start_seconds=row.seconds("start_seconds"),
            stop_seconds=row.seconds("stop_seconds"),
            verb=row.label("verb"),
            noun=row.label("noun"),
            verb_class=_class(row, "verb_class"),
            noun_class=_class(row, "noun_class"),
        ),
    )


def _class(row: Row, column: str) -> int:
    class_id = row.whole(column) if row.fields.get(column) else -1
    if class_id < -1:
        raise ValueError(f"{column} is {class_id}; a class is 0 or more, -1 or empty where unknown")
    return class_id
