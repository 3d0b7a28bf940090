"""The members of a tar, whatever has happened to it: samples, and spans that are none.

Where no member stands, the next one is looked for from block to block: damage costs the samples
that it hits, and no others.

    |header|mp4 …|header|json …|header|mp4 …|#### damage ####|header|mp4 …|header|json …|0|0|
    '------- sample a ---------'-- b, cut --'                '-------- sample c --------'
"""

from __future__ import annotations

import sys
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from zlib_ng.zlib_ng import crc32

from sharder.shards import BLOCK
from sharder.verify.faults import Kind
from sharder.verify.reading import ShardReader

TO_THE_END = sys.maxsize
_MAGIC, _MAGIC_AT = b"ustar", slice(257, 262)
_FILES = (tarfile.REGTYPE, tarfile.AREGTYPE)
_ZEROS = bytes(BLOCK)
_END_BLOCKS = 2


@dataclass(kw_only=True)
class TarSample:
    """Neighbouring members of one key, at bytes [offset, offset + size)."""

    key: str
    offset: int
    size: int = 0
    crc32: int = 0
    kinds: list[str] = field(default_factory=list)
    """What follows the key in the members' names, in their order."""
    contents: dict[str, bytes] = field(default_factory=dict)
    """Kind → bytes, of those that were wanted."""


@dataclass(frozen=True, kw_only=True)
class Damage:
    """Bytes [offset, stop) of a shard that are no members."""

    offset: int
    stop: int
    """TO_THE_END if nothing follows: what should stand past the end is lost, too."""
    expected: str
    found: str
    kind: Kind = Kind.TAR


@dataclass(frozen=True)
class _Header:
    key: str
    kind: str
    size: int

    @property
    def padded_size(self) -> int:
        return -(-self.size // BLOCK) * BLOCK


def read_samples(
    reader: ShardReader, wanted: Callable[[int, str, int], bool]
) -> Iterator[TarSample | Damage]:
    """The samples and damaged spans of a shard, in order.

    `wanted(i, kind, size)`: whether this member of the i-th sample is to be held in memory.
    """
    sample: TarSample | None = None
    number, block = 0, reader.read(BLOCK)
    while True:
        start = reader.at - len(block)
        header = _header(block, reader.size - reader.at)
        ends = sample is not None and not (isinstance(header, _Header) and header.key == sample.key)
        if sample is not None and ends:
            yield sample
            sample, number = None, number + 1
        if isinstance(header, _Header):
            sample = sample or TarSample(key=header.key, offset=start)
            _read_member(reader, block, header, sample, wanted(number, header.kind, header.size))
            block = reader.read(BLOCK)
        else:
            damage, block = _between(reader, start, block, header)
            if damage is not None:
                yield damage
            if not block:
                return


def _read_member(
    reader: ShardReader, block: bytes, header: _Header, sample: TarSample, keep: bool
) -> None:
    """Adds the member that `block` begins to `sample`."""
    sample.crc32 = crc32(block, sample.crc32)
    sample.size += BLOCK + header.padded_size
    keep = keep and header.kind not in sample.kinds
    sample.kinds.append(header.kind)
    kept: list[bytes] = []
    for piece in reader.pieces(header.padded_size):
        sample.crc32 = crc32(piece, sample.crc32)
        if keep:
            kept.append(piece)
    if keep:
        sample.contents[header.kind] = b"".join(kept)[: header.size]


def _header(block: bytes, num_follow: int) -> _Header | str:
    """The member that `block` begins, with `num_follow` bytes behind it; or why there is none."""
    if len(block) < BLOCK:
        return f"the end of the file after {len(block)} bytes"
    if block[_MAGIC_AT] != _MAGIC:
        return "no tar header"
    try:
        info = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
    except tarfile.HeaderError as error:
        return f"no tar header ({error})"
    if info.type not in _FILES:
        return f"a member of type {info.type!r}"
    folder, slash, name = info.name.rpartition("/")
    stem, _, kind = name.partition(".")
    header = _Header(f"{folder}{slash}{stem}", kind, info.size)
    if not 0 <= header.padded_size <= num_follow:
        return f"a member of {info.size} bytes, with {num_follow} bytes to the end of the file"
    return header


def _between(
    reader: ShardReader, start: int, block: bytes, reason: str
) -> tuple[Damage | None, bytes]:
    """What stands at `start`, where `block` begins no member, and the next block that does."""
    zeros = 0
    while block == _ZEROS:
        block, zeros = reader.read(BLOCK), zeros + 1
    if not block and zeros >= _END_BLOCKS:
        return None, b""
    if zeros:
        reason = f"{zeros} blocks of zeros, at which readers stop, then more"
    if not block:
        reason = f"the end of the file after {reader.at - start} bytes"
    expected = "a member" if block else f"{_END_BLOCKS} blocks of zeros at the end"
    while block and not isinstance(_header(block, reader.size - reader.at), _Header):
        block = reader.read(BLOCK)
    stop = reader.at - len(block) if block else TO_THE_END
    return Damage(offset=start, stop=stop, expected=expected, found=reason), block
