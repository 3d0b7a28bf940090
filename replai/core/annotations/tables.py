"""CSV → rows that know their line; mistakes are named by file and line."""

from __future__ import annotations

import csv
import difflib
import io
import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import TypeVar

from replai.core import storage
from replai.core.annotations.spelling import one_spelling
from replai.core.errors import UserError
from replai.core.record import LARGEST_WHOLE

_LOOKED_AT_BYTES = 4096
"""At a file's beginning: a video, say, is told before all of it is read."""
_LINE_BREAK = re.compile("[\r\n]")
_QUOTED = re.compile(r'(?<![^,\r\n])("[^"\r\n]*(?:""[^"\r\n]*)*")[ \t]*(?=[,\r\n]|\Z)')
"""A field in quotes; the space behind it is not of it."""

T = TypeVar("T")


@dataclass(frozen=True)
class Row:
    """One row: its line in the file and its fields by column."""

    line: int
    fields: dict[str, str | None]

    def text(self, column: str) -> str:
        """The field as it is. Raises ValueError if the row ends before it."""
        value = self.fields[column]
        if value is None:
            raise ValueError(f"a field is missing: {column}")
        return value

    def name(self, column: str) -> str:
        """The field, which must not be empty. Raises ValueError."""
        if not self.text(column).strip():
            raise ValueError(f"a field is missing: {column} is empty")
        return self.text(column).strip()

    def label(self, column: str) -> str:
        """The field as `one_spelling` has it. Raises ValueError if the row ends before it."""
        return one_spelling(self.text(column))

    def seconds(self, column: str) -> float:
        """The field as a finite number. Raises ValueError."""
        return self._parsed(column, finite, "number")

    def whole(self, column: str) -> int:
        """The field as a whole number. Raises ValueError."""
        return self._parsed(column, whole, "whole number")

    def _parsed(self, column: str, parse: Callable[[str], T], kind: str) -> T:
        try:
            return parse(self.text(column))
        except ValueError:
            raise ValueError(f"{column} is {self.text(column)!r}, which is no {kind}") from None


@dataclass(frozen=True)
class Table:
    """A CSV file: its columns and its rows: (line, fields)."""

    url: str
    columns: tuple[str, ...]
    rows: Iterator[tuple[int, list[str]]]

    def __iter__(self) -> Iterator[Row]:
        for line, fields in self.rows:
            if any(fields[len(self.columns) :]):
                raise UserError(
                    f"{self.url} line {line}: {len(fields)} fields for {len(self.columns)} "
                    "columns; put a text that has commas in quotes"
                )
            if fields:
                yield Row(line, dict(zip_longest(self.columns, fields[: len(self.columns)])))

    def read(self, parse: Callable[[Row], T]) -> list[T]:
        """`parse` of every row. What it refuses by ValueError is a UserError with file and line."""
        found: list[T] = []
        for row in self:
            try:
                found.append(parse(row))
            except ValueError as error:
                raise UserError(f"{self.url} line {row.line}: {error}") from None
        return found

    def require(self, columns: Sequence[str], hint: str = "", optional: Sequence[str] = ()) -> None:
        """Raises UserError that names the `columns` that are not there, and near misses, and one of
        these or the `optional` ones that is there twice.
        """
        known = (*columns, *optional)
        twice = next((name for name in known if self.columns.count(name) > 1), None)
        if twice:
            raise UserError(f"{self.url} line 1: the column {twice!r} stands there twice")
        strange = [column for column in self.columns if column not in columns]
        missing = [
            f"{name!r}{_did_you_mean(name, strange)}"
            for name in columns
            if name not in self.columns
        ]
        if missing:
            raise UserError(
                f"{self.url} line 1: no column {', '.join(missing)} (its columns: "
                f"{', '.join(self.columns) or 'none'}){_separator(self.columns)}{hint}"
            )


def open_table(url: str) -> Table:
    """The CSV at `url`. Raises UserError if it has no header that can be read."""
    with storage.reading(url) as file:
        if b"\0" in file.read(_LOOKED_AT_BYTES):
            raise UserError(f"{url} is no CSV of UTF-8 text: it has zero bytes")
    rows = _rows(url, _text(url))
    _, columns = next(rows, (1, []))
    return Table(url, tuple(columns), rows)


def _text(url: str) -> str:
    """The file at `url`. Raises UserError that names the first line whose bytes are no UTF-8."""
    data = storage.read_bytes(url)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise UserError(f"{url} line {line}: bytes that are no UTF-8; save it as UTF-8") from None


def _rows(url: str, text: str) -> Iterator[tuple[int, list[str]]]:
    """(first line, fields) of each row; of an empty line no fields.

    Raises UserError for a field that holds a line break, in whatever column: where a quote is not
    closed, all rows up to the next one would be its text, and nothing would tell them from a text.
    """
    lines = io.StringIO(_QUOTED.sub(r"\1", text), newline="")
    reader = csv.reader(lines, strict=True)
    while True:
        line = reader.line_num + 1
        try:
            fields = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise UserError(
                f"{url} line {line}: {error}; a quote that is not closed, or one too many?"
            ) from None
        if any(map(_LINE_BREAK.search, fields)):
            raise UserError(
                f"{url} line {line}: a field holds a line break; no line breaks within a field: "
                "take them out, or close the quote before them"
            )
        yield line, fields


def finite(text: str) -> float:
    """`text` as a number that is neither infinite nor NaN. Raises ValueError."""
    number = float(text)
    if not math.isfinite(number):
        raise ValueError
    return number


def whole(text: str) -> int:
    """`text` as a whole number that a sample's record may have. Raises ValueError."""
    number = int(text)
    if abs(number) > LARGEST_WHOLE:
        raise ValueError
    return number


def _did_you_mean(name: str, columns: Sequence[str]) -> str:
    """As in `; did you mean 'Verb'?`; empty where nothing is near."""
    plain = {column.strip().casefold().replace(" ", "_"): column for column in columns}
    near = difflib.get_close_matches(name, plain, n=1, cutoff=0.75)
    return f" (did you mean {plain[near[0]]!r}?)" if near else ""


def _separator(columns: Sequence[str]) -> str:
    """What is wrong with a file of one column that is many."""
    for mark, name in ((";", "';'"), ("\t", "tabs")):
        if len(columns) == 1 and mark in columns[0]:
            return f"; its fields are separated by {name}, make it commas"
    return ""
