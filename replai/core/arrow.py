"""Bytes as files for pyarrow."""

from __future__ import annotations

import pyarrow as pa


def arrow_file(data: bytes) -> pa.BufferReader:
    """`data` as a file in memory of Arrow's own.

    A Python file would be closed by one of Arrow's threads, perhaps while the interpreter is
    ending; that aborts the process ("terminate called without an active exception").
    """
    sink = pa.BufferOutputStream()
    sink.write(data)
    return pa.BufferReader(sink.getvalue())
