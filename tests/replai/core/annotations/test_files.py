"""Annotation files on stores that fail."""

from __future__ import annotations

import io

import pytest

from replai.core import storage
from replai.core.annotations import read_annotations
from replai.core.annotations.json_items import json_items
from replai.core.annotations.tables import open_table
from replai.core.errors import UserError
from sharder.timestamps import read_moments


class Failing(io.RawIOBase):
    """A file that holds `beginning`, and then the connection is gone."""

    def __init__(self, beginning: bytes) -> None:
        self._waiting = beginning

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        if not self._waiting:
            raise ConnectionResetError(104, "Connection reset by peer")
        given, self._waiting = self._waiting[: len(buffer)], self._waiting[len(buffer) :]
        buffer[: len(given)] = given
        return len(given)


@pytest.mark.parametrize("beginning", [b"", b'{"videos": ['])
@pytest.mark.parametrize(
    "read", [read_annotations, read_moments, open_table, lambda url: list(json_items(url))]
)
def test_a_store_that_fails_in_the_middle_is_one_line(
    read: object, beginning: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert callable(read)
    monkeypatch.setattr(storage, "open_input", lambda _: io.BufferedReader(Failing(beginning), 8))
    with pytest.raises(UserError, match=r"^s3://b/a\.json: .*Connection reset by peer$"):
        read("s3://b/a.json")
