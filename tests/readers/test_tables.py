"""DuckDB and pandas on index.parquet."""

from __future__ import annotations

import pytest

from tests.readers.conftest import Packed

MISSING = "{} is not installed; `make readers-test` has it"


def test_duckdb(packed: Packed) -> None:
    duckdb = pytest.importorskip("duckdb", reason=MISSING.format("DuckDB"))
    table = f"'{packed.root}/index.parquet'"
    with duckdb.connect() as connection:
        keys = connection.execute(f"select key from {table}").fetchall()
        hours = connection.execute(
            f"select video_id, sum(duration_seconds) / 3600 from {table} group by all"
        ).fetchall()
    assert [key for (key,) in keys] == list(packed.keys)
    assert len(hours) == 3 and all(stored > 0 for _, stored in hours)


def test_pandas(packed: Packed) -> None:
    pandas = pytest.importorskip("pandas", reason=MISSING.format("pandas"))
    frame = pandas.read_parquet(packed.root / "index.parquet")
    assert list(frame["key"]) == list(packed.keys)
    assert frame["has_audio"].all() and frame["num_moments"].sum() > 0
    assert str(frame["crc32"].dtype) == "uint32"
