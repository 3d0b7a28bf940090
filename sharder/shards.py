"""Samples → one WebDataset tar with reproducible bytes, its Energon offsets and its index rows."""

from __future__ import annotations

import hashlib
import tarfile
from collections.abc import Iterable
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
from zlib_ng.zlib_ng import crc32

from replai.core.record import SampleRecord

BLOCK = 512


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One sample to be written: KEY.mp4 and KEY.json."""

    key: str
    media: bytes
    record: SampleRecord


@dataclass(frozen=True, kw_only=True)
class IndexRow:
    """Where a sample's bytes lie in its shard, and what the plan must know of it."""

    offset: int
    size: int
    crc32: int
    key: str
    video_id: str
    start_seconds: float
    duration_seconds: float
    num_moments: int
    num_actions: int
    has_audio: bool


@dataclass(frozen=True, kw_only=True)
class WrittenShard:
    """Facts of one finished tar."""

    size: int
    md5: str
    rows: tuple[IndexRow, ...]

    @property
    def energon_offsets(self) -> bytes:
        """The `.tar.idx`: little-endian uint64, each sample's first header, then the end."""
        ends = [row.offset for row in self.rows]
        last = self.rows[-1]
        return np.array([*ends, last.offset + last.size], dtype="<u8").tobytes()


def write_shard(samples: Iterable[Sample], file: BinaryIO) -> WrittenShard:
    """Writes `samples` to `file` as an uncompressed USTAR archive."""
    digest, offset = hashlib.md5(usedforsecurity=False), 0
    rows: list[IndexRow] = []
    for sample in samples:
        data = tar_members(sample)
        rows.append(_row(sample, data, offset))
        digest.update(data)
        file.write(data)
        offset += len(data)
    padding = bytes(2 * BLOCK + (-(offset + 2 * BLOCK)) % tarfile.RECORDSIZE)
    digest.update(padding)
    file.write(padding)
    return WrittenShard(size=offset + len(padding), md5=digest.hexdigest(), rows=tuple(rows))


def tar_members(sample: Sample) -> bytes:
    """The two padded members of one sample; the bytes depend on the sample alone."""
    record = sample.record.to_json()
    return b"".join(
        (*_member(f"{sample.key}.mp4", sample.media), *_member(f"{sample.key}.json", record))
    )


def _member(name: str, data: bytes) -> tuple[bytes, bytes, bytes]:
    info = tarfile.TarInfo(name)
    info.size, info.mode, info.mtime = len(data), 0o444, 0
    header = info.tobuf(tarfile.USTAR_FORMAT)
    return header, data, bytes(-len(data) % BLOCK)


def _row(sample: Sample, data: bytes, offset: int) -> IndexRow:
    record = sample.record
    return IndexRow(
        offset=offset,
        size=len(data),
        crc32=crc32(data),
        key=sample.key,
        video_id=record.video_id,
        start_seconds=record.start_seconds,
        duration_seconds=record.duration_seconds,
        num_moments=len(record.moments),
        num_actions=len(record.actions),
        has_audio=record.has_audio,
    )
