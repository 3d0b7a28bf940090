import sys
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from replai.core.arrow import arrow_file
from replai.core.index import SCHEMA, decode_table, encode_table


def test_the_file_holds_the_bytes_and_nothing_of_pythons() -> None:
    data = b"some bytes" * 100
    before = sys.getrefcount(data)
    file = arrow_file(data)
    assert sys.getrefcount(data) == before, "Arrow's threads would give it back, under the GIL"
    assert file.read() == data


def test_the_index_is_read_from_such_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[Any] = []
    read_table = pq.read_table

    def noting(file: Any) -> pa.Table:
        given.append(file)
        return read_table(file)

    monkeypatch.setattr(pq, "read_table", noting)
    decode_table(encode_table(SCHEMA.empty_table()))
    assert isinstance(given[0], pa.BufferReader)
