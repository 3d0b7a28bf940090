"""MP4s whose edit list shows pieces of what is stored."""

from __future__ import annotations

import struct
from collections.abc import Iterator

_TIMESCALE_AT = 20  # in `mvhd` and `mdhd` of version 0
_FIRST_MEDIA_TIME_AT = 28  # in `edts`


def edited(data: bytes, *pieces: tuple[float, float]) -> bytes:
    """`data`, of which only `pieces`, (start, stop) in its seconds, are shown, in their order.

    `data`: an MP4 whose index stands at its end and whose tracks have edit lists, as PyAV writes.
    """
    moov = next(at for at, kind in _boxes(data, 0, len(data)) if kind == b"moov")
    inner = list(_boxes(data, moov + 8, len(data)))
    timescale = _number(data, {kind: at for at, kind in inner}[b"mvhd"], _TIMESCALE_AT)
    made = bytearray(data[:moov] + bytes(4) + b"moov")
    for at, kind in inner:
        box = data[at : at + _number(data, at)]
        made += _track(box, timescale, pieces) if kind == b"trak" else box
    made[moov : moov + 4] = struct.pack(">I", len(made) - moov)
    return bytes(made)


def _track(box: bytes, timescale: int, pieces: tuple[tuple[float, float], ...]) -> bytes:
    """The box of a track with other edits; they begin where its first one did, counted from 0."""
    inner = {kind: at for at, kind in _boxes(box, 8, len(box))}
    media = {kind: at for at, kind in _boxes(box, inner[b"mdia"] + 8, len(box))}
    ticks, edits = _number(box, media[b"mdhd"], _TIMESCALE_AT), inner[b"edts"]
    zero = _number(box, edits, _FIRST_MEDIA_TIME_AT)
    lines = [
        struct.pack(">III", round((stop - start) * timescale), zero + round(start * ticks), 1 << 16)
        for start, stop in pieces
    ]
    entries = struct.pack(">I4sII", 16 + 12 * len(lines), b"elst", 0, len(lines)) + b"".join(lines)
    listed = struct.pack(">I4s", 8 + len(entries), b"edts") + entries
    made = box[:edits] + listed + box[edits + _number(box, edits) :]
    return struct.pack(">I", len(made)) + made[4:]


def _boxes(data: bytes, start: int, stop: int) -> Iterator[tuple[int, bytes]]:
    """(place, kind) of each box."""
    while start + 8 <= stop:
        yield start, data[start + 4 : start + 8]
        start += _number(data, start)


def _number(data: bytes, at: int, offset: int = 0) -> int:
    number: int = struct.unpack_from(">I", data, at + offset)[0]
    return number
