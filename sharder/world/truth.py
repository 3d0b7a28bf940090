"""Scripts -> annotation files, with the columns of EPIC-KITCHENS-100."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Sequence
from pathlib import Path

from sharder.world.movie import whole_file
from sharder.world.script import Interaction, Script
from sharder.world.vocabulary import NOUN_CATEGORIES, NOUNS, VERB_CATEGORIES, VERBS

COLUMNS = (
    "narration_id",
    "participant_id",
    "video_id",
    "narration_timestamp",
    "start_timestamp",
    "stop_timestamp",
    "start_frame",
    "stop_frame",
    "narration",
    "verb",
    "verb_class",
    "noun",
    "noun_class",
    "all_nouns",
    "all_noun_classes",
)


def write_actions(scripts: Iterable[Script], path: Path) -> None:
    """Write every interaction, a row each; `narration_timestamp` is the time of contact."""
    rows = [
        _row(script, number, action)
        for script in scripts
        for number, action in enumerate(script.interactions)
    ]
    _write_csv(path, COLUMNS, rows)


def write_classes(directory: Path) -> None:
    """Write the two class files under the names that EPIC-KITCHENS-100 gives them."""
    for name, keys, categories in (
        ("verb", VERBS, VERB_CATEGORIES),
        ("noun", NOUNS, NOUN_CATEGORIES),
    ):
        rows = [
            (index, key, f"['{key}']", category)
            for index, (key, category) in enumerate(zip(keys, categories, strict=True))
        ]
        path = directory / f"EPIC_100_{name}_classes.csv"
        _write_csv(path, ("id", "key", "instances", "category"), rows)


def timestamp(seconds: float, decimals: int) -> str:
    """Return a time as HH:MM:SS.fff with the given number of decimals, at least 1."""
    ticks = round(seconds * 10**decimals)
    whole, fraction = divmod(ticks, 10**decimals)
    minutes, second = divmod(whole, 60)
    hour, minute = divmod(minutes, 60)
    return f"{hour:02d}:{minute:02d}:{second:02d}.{fraction:0{decimals}d}"


def _row(script: Script, number: int, action: Interaction) -> tuple[object, ...]:
    noun_class = NOUNS.index(action.noun)
    return (
        f"{script.video_id}_{number}",
        script.participant_id,
        script.video_id,
        timestamp(action.seconds, 3),
        timestamp(action.start_seconds, 2),
        timestamp(action.stop_seconds, 2),
        math.floor(action.start_seconds * script.settings.fps),
        math.floor(action.stop_seconds * script.settings.fps),
        f"{action.verb} {action.noun}",
        action.verb,
        VERBS.index(action.verb),
        action.noun,
        noun_class,
        f"['{action.noun}']",
        f"[{noun_class}]",
    )


def _write_csv(path: Path, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    with whole_file(path) as temporary, temporary.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)
