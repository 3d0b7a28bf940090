"""EPIC-Kitchens-100's annotations, as published (github.com/epic-kitchens/
epic-kitchens-100-annotations).

EPIC_100_train.csv, EPIC_100_validation.csv
    narration_id, participant_id, video_id, narration_timestamp, start_timestamp, stop_timestamp,
    start_frame, stop_frame, narration, verb, verb_class, noun, noun_class, all_nouns,
    all_noun_classes; timestamps are HH:MM:SS.ss
EPIC_100_verb_classes.csv, EPIC_100_noun_classes_v2.csv (once EPIC_100_noun_classes.csv)
    id, key, instances, category
EPIC_100_video_info.csv
    video_id, duration (seconds), fps, resolution

Class lists and lengths are read where they stand beside the actions.
"""

from __future__ import annotations

from replai.core.annotations.companion import companions
from replai.core.annotations.labels import Annotations, Classes, Label, file_name
from replai.core.annotations.spelling import one_spelling
from replai.core.annotations.tables import Row, Table, finite, open_table
from replai.core.record import Action
from replai.core.video_ids import normal_id

COLUMNS = (
    "video_id", "start_timestamp", "stop_timestamp", "verb", "verb_class", "noun", "noun_class",
)  # fmt: skip
CLASS_COLUMNS = ("id", "key")
INFO_COLUMNS = ("video_id", "duration")
VERB_LISTS = ("EPIC_100_verb_classes.csv",)
NOUN_LISTS = ("EPIC_100_noun_classes_v2.csv", "EPIC_100_noun_classes.csv")
INFO_LISTS = ("EPIC_100_video_info.csv",)


def read_epic(table: Table) -> Annotations:
    """The labels of one of EPIC-Kitchens' action files, with the lists that stand beside it.

    Raises UserError that names file and line for a missing column or a value that is none.
    """
    table.require(COLUMNS)
    source = file_name(table.url)
    labels = tuple(table.read(lambda row: _label(row, source)))
    actions = [label.action for label in labels]
    verb_list, noun_list, info = companions(table.url, VERB_LISTS, NOUN_LISTS, INFO_LISTS)
    verbs = Classes.occurring(((a.verb_class, a.verb) for a in actions), source)
    nouns = Classes.occurring(((a.noun_class, a.noun) for a in actions), source)
    return Annotations(
        labels=labels,
        verbs=_classes(verb_list) if verb_list else verbs,
        nouns=_classes(noun_list) if noun_list else nouns,
        durations=_durations(info) if info else {},
        files=(source, *(file_name(url) for url in (verb_list, noun_list, info) if url)),
    )


def parse_timestamp(text: str) -> float:
    """Seconds of an `HH:MM:SS.ss` timestamp. Raises ValueError."""
    try:
        hours, minutes, seconds = text.split(":")
        parts = int(hours), int(minutes), finite(seconds)
        if min(parts) < 0 or "-" in text or max(parts[1:]) >= 60:
            raise ValueError
        return parts[0] * 3600 + parts[1] * 60 + parts[2]
    except ValueError:
        raise ValueError(f"{text!r} is no HH:MM:SS.ss timestamp") from None


def _label(row: Row, source: str) -> Label:
    return Label(
        where=f"{source} line {row.line}",
        video_id=normal_id(row.name("video_id")),
        action=Action(
            start_seconds=parse_timestamp(row.text("start_timestamp")),
            stop_seconds=parse_timestamp(row.text("stop_timestamp")),
            verb=row.label("verb"),
            noun=row.label("noun"),
            verb_class=row.whole("verb_class"),
            noun_class=row.whole("noun_class"),
        ),
    )


def _classes(url: str) -> Classes:
    table = open_table(url)
    table.require(CLASS_COLUMNS)
    named = table.read(lambda row: (row.whole("id"), one_spelling(row.name("key"))))
    return Classes(dict(named), file_name(url), closed=True)


def _durations(url: str) -> dict[str, float]:
    table = open_table(url)
    table.require(INFO_COLUMNS)
    return dict(table.read(lambda row: (normal_id(row.name("video_id")), row.seconds("duration"))))
