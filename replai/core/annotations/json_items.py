"""A JSON file piece by piece: Ego4D's fho_main.json is larger than what should be in memory."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from typing import Any

from replai.core import storage
from replai.core.errors import UserError

BLOCK_CHARACTERS = 1 << 24
SPACE = " \t\r\n"
NO_UTF8 = re.compile("[\udc80-\udcff]")  # what the decoder makes of such bytes
BEHIND_A_VALUE = frozenset(SPACE + ",:]}")


def json_items(url: str, block: int = BLOCK_CHARACTERS) -> Iterator[tuple[str, Any, int]]:
    """(key, value, line) of the JSON object at `url`; a list's elements come one at a time.

    Holds one value (of lists: one element) and about `block` characters. Raises UserError that
    names file and line where the text is no JSON object.
    """
    with storage.reading(url) as file:
        text = _Text(io.TextIOWrapper(file, "utf-8-sig", errors="surrogateescape"), block)
        try:
            yield from _members(text)
        except (ValueError, RecursionError) as error:
            raise UserError(f"{url} line {text.line}: no JSON object ({error})") from None


def _members(text: _Text) -> Iterator[tuple[str, Any, int]]:
    for _ in text.elements("{", "}"):
        key = text.value()
        if not isinstance(key, str):
            raise ValueError(f"the key {key!r} is no text")
        text.take(":")
        if text.peek() == "[":
            for _ in text.elements("[", "]"):
                line = text.line
                yield key, text.value(), line
        else:
            line = text.line
            yield key, text.value(), line
    if text.peek():
        raise ValueError("there is more behind its end")


class _Text:
    """The text from where it is read on; grows as far as the next value needs."""

    def __init__(self, file: io.TextIOBase, block: int) -> None:
        self.line = 1
        self._file, self._block = file, block
        self._waiting, self._at = "", 0
        self._decoder = json.JSONDecoder()

    def peek(self) -> str:
        """The next character that is no space; empty at the end of the file."""
        while True:
            while self._at < len(self._waiting):
                if self._waiting[self._at] not in SPACE:
                    return self._waiting[self._at]
                self._skip(self._at + 1)
            if not self._grow(self._block):
                return ""

    def take(self, expected: str) -> None:
        """Passes over the next character. Raises ValueError if it is another one."""
        if self.peek() != expected:
            raise ValueError(f"{expected!r} expected, {self.peek() or 'the end'!r} found")
        self._skip(self._at + 1)

    def elements(self, first: str, last: str) -> Iterator[None]:
        """Yields before each element between brackets; the caller reads it."""
        self.take(first)
        while self.peek() != last:
            yield
            if self.peek() != last:
                self.take(",")
        self.take(last)

    def value(self) -> Any:
        """The next value. Raises ValueError."""
        self.peek()
        block = self._block
        while True:
            try:
                value, end = self._decoder.raw_decode(self._waiting, self._at)
                # `1` may be the beginning of `1.5`: only what follows shows that a number is whole.
                if self._waiting[end : end + 1] in BEHIND_A_VALUE or not self._grow(block):
                    self._skip(end)
                    return value
            except json.JSONDecodeError as error:
                if not self._grow(block):
                    self._skip(error.pos)
                    raise ValueError(error.msg) from None
            block = max(block, len(self._waiting) - self._at)

    def _grow(self, size: int) -> bool:
        """Reads `size` characters more; False, and nothing changed, at the end of the file.

        Raises ValueError, at its line, for a byte that is no UTF-8.
        """
        more = self._file.read(size)
        if more:
            self._waiting, self._at = self._waiting[self._at :] + more, 0
        if not more.isascii() and NO_UTF8.search(more):
            self._skip(len(self._waiting) - len(NO_UTF8.split(more, maxsplit=1)[1]))
            raise ValueError("bytes that are no UTF-8; save it as UTF-8")
        return bool(more)

    def _skip(self, to: int) -> None:
        self.line += self._waiting.count("\n", self._at, to)
        self._at = to
