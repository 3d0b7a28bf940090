"""An annotation file → labels. Its format is told from the file itself."""

from __future__ import annotations

from replai.core import storage
from replai.core.annotations import ego4d, epic, plain
from replai.core.annotations.labels import Annotations
from replai.core.annotations.tables import Table, open_table
from replai.core.errors import UserError


def read_annotations(url: str) -> Annotations:
    """The labels of EPIC-Kitchens' CSV, Ego4D's JSON or a plain CSV, and of what stands beside it.

    Raises UserError that names file and line for what cannot be read.
    """
    if is_json(url):
        return ego4d.read_ego4d(url)
    table = open_table(url)
    if set(table.columns) >= set(epic.CLASS_COLUMNS) and "instances" in table.columns:
        raise UserError(f"{url} is a list of classes; it is read when it stands beside the actions")
    if _near(table, epic.COLUMNS) > _near(table, plain.COLUMNS):
        return epic.read_epic(table)
    return plain.read_plain(table)


def is_json(url: str) -> bool:
    """Whether the file at `url` begins as a JSON object does."""
    with storage.reading(url) as file:
        return file.read(64).removeprefix(b"\xef\xbb\xbf").lstrip()[:1] == b"{"


def _near(table: Table, wanted: tuple[str, ...]) -> int:
    """How many of the `wanted` columns are there, but for their case."""
    there = {column.strip().casefold() for column in table.columns}
    return sum(name in there for name in wanted)
