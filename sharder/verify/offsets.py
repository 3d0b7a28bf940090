"""A `.tar.idx`, Energon's offsets into a tar: little-endian uint64, each sample's, then the end."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sharder.verify.faults import Fault, Kind

_WORD_BYTES = 8


def offset_faults(file: str, data: bytes, expected: Sequence[int]) -> list[Fault]:
    """What is wrong with the `.tar.idx` of bytes `data`; the first difference stands for all."""
    if len(data) != _WORD_BYTES * len(expected):
        size = f"{_WORD_BYTES * len(expected)} bytes, for {len(expected) - 1} samples"
        return [Fault(kind=Kind.OFFSETS, file=file, expected=size, found=f"{len(data)} bytes")]
    found = np.frombuffer(data, "<u8")
    different = np.flatnonzero(found != np.array(expected, "<u8"))
    if not len(different):
        return []
    first = int(different[0])
    more = f", and {len(different) - 1} more differ" if len(different) > 1 else ""
    return [
        Fault(
            kind=Kind.OFFSETS,
            file=file,
            offset=_WORD_BYTES * first,
            expected=f"offset {expected[first]} of the tar",
            found=f"{found[first]}{more}",
        )
    ]
