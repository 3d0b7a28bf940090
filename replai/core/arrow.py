"""Between Arrow's tables, bytes and numpy, without what pyarrow's own ways bring along.

`pq.read_table`, `to_numpy` and `to_pandas` import pandas where it is installed, though none of it
is used: a third of a second and 40 MB in each process.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray


def read_parquet(data: bytes) -> pa.Table:
    """The table in Parquet bytes. Raises ArrowException or OSError where they are none."""
    try:
        with pq.ParquetFile(arrow_file(data)) as file:
            return file.read()
    except UnicodeDecodeError as error:
        raise pa.ArrowInvalid(f"a column's name is damaged: {error}") from None


def to_numpy(column: pa.ChunkedArray) -> NDArray[Any]:
    """A column without nulls as an array [rows] of the same type, strings as objects.

    Numbers of a column in one chunk are seen where they lie, and not to be written to.
    """
    if pa.types.is_string(column.type):
        strings: NDArray[Any] = column.to_numpy(zero_copy_only=False)
        return strings
    if pa.types.is_boolean(column.type):
        return to_numpy(column.cast(pa.uint8())).view(np.bool_)
    dtype = np.dtype(column.type.to_pandas_dtype())  # numpy's, whatever the name says
    if not len(column):
        return np.empty(0, dtype)
    whole = in_one_chunk(column)
    return np.frombuffer(whole.buffers()[1], dtype, len(whole), whole.offset * dtype.itemsize)


def in_one_chunk(column: pa.ChunkedArray) -> pa.Array:
    """The column's values; not copied where they are in one chunk, as `combine_chunks` would."""
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def arrow_file(data: bytes) -> pa.BufferReader:
    """`data` as a file in memory of Arrow's own.

    A Python file would be closed by one of Arrow's threads, perhaps while the interpreter is
    ending; that aborts the process ("terminate called without an active exception").
    """
    sink = pa.BufferOutputStream()
    sink.write(data)
    return pa.BufferReader(sink.getvalue())
