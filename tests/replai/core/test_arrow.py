import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from replai.core.arrow import arrow_file, to_numpy
from replai.core.index import SCHEMA, decode_table, encode_table


def test_the_file_holds_the_bytes_and_nothing_of_pythons() -> None:
    data = b"some bytes" * 100
    before = sys.getrefcount(data)
    file = arrow_file(data)
    assert sys.getrefcount(data) == before, "Arrow's threads would give it back, under the GIL"
    assert file.read() == data


def test_the_index_is_read_from_such_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[Any] = []
    parquet_file = pq.ParquetFile

    def noting(file: Any) -> pq.ParquetFile:
        given.append(file)
        return parquet_file(file)

    monkeypatch.setattr(pq, "ParquetFile", noting)
    decode_table(encode_table(SCHEMA.empty_table()))
    assert isinstance(given[0], pa.BufferReader)


@pytest.mark.parametrize(
    "column",
    [
        pa.chunked_array([pa.array([3, 1, 2], pa.int32())]),
        pa.chunked_array([pa.array([3, 1], pa.uint32()), pa.array([2], pa.uint32())]),
        pa.chunked_array([pa.array([0.5, -1.0, 2.0, 7.0], pa.float64()).slice(1, 2)]),
        pa.chunked_array([pa.array([True, False, True] * 5).slice(2, 9)]),
        pa.chunked_array([pa.array(["a", "é", ""])]),
        pa.chunked_array([], pa.int64()),
        pa.chunked_array([], pa.bool_()),
    ],
    ids=str,
)
def test_numbers_are_those_that_pyarrow_gives(column: pa.ChunkedArray) -> None:
    ours, expected = to_numpy(column), column.to_numpy(zero_copy_only=False)
    assert ours.dtype == expected.dtype
    np.testing.assert_array_equal(ours, expected)


def test_numbers_in_one_chunk_are_not_copied() -> None:
    numbers = pa.array([3, 1, 2], pa.int64())
    seen = to_numpy(pa.chunked_array([numbers.slice(1)]))
    assert seen.ctypes.data == numbers.buffers()[1].address + 8


def test_a_dataset_is_opened_without_pandas(tmp_path: Path) -> None:
    """Which pyarrow imports wherever it may, in each worker anew."""
    (tmp_path / "index.parquet").write_bytes(encode_table(SCHEMA.empty_table()))
    code = (
        "import sys, pickle\n"
        "from replai.core.index import DatasetIndex, Header, SCHEMA, dataset_hash, decode_table\n"
        f"table = decode_table(open({str(tmp_path / 'index.parquet')!r}, 'rb').read())\n"
        "dataset_hash(table)\n"
        "header = Header(schema_version=1, profile='', margin_seconds=0, num_samples=0,\n"
        "                num_moments=0, num_actions=0, dataset_hash='', verbs={}, nouns={})\n"
        "index = DatasetIndex('', header, (), (), table, ())\n"
        "arrived = pickle.loads(pickle.dumps(index))\n"
        "[arrived.column(one.name) for one in SCHEMA if str(one.type) != 'string']\n"
        "assert 'pandas' not in sys.modules\n"
        "import pandas\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
