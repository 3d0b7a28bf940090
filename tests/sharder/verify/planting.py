"""A packed root, changed in one thing; all else that is said of it agrees with the change."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from replai.core.annotations import CheckedAnnotations
from sharder.part import Part
from sharder.root import finish_root
from sharder.shards import IndexRow
from sharder.timestamps import MomentsOrigin
from sharder.verify.faults import Fault

FIRST = "shards/train-000000.tar"
SECOND = "shards/train-000001.tar"


@dataclass(frozen=True)
class RawSample:
    """A sample's members (name, content), and what the index is to say of it."""

    members: tuple[tuple[str, bytes], ...]
    row: IndexRow

    @property
    def media(self) -> bytes:
        """Its mp4."""
        return self.members[0][1]

    def with_json(self, data: bytes) -> RawSample:
        """The sample with another JSON; the index goes on to say what it said."""
        media, (name, _) = self.members
        return RawSample((media, (name, data)), self.row)

    def with_fields(self, **fields: Any) -> RawSample:
        """The sample with other fields in its JSON."""
        known = json.loads(self.members[1][1])
        return self.with_json(json.dumps({**known, **fields}).encode())

    def with_media(self, data: bytes) -> RawSample:
        """The sample with another mp4."""
        (name, _), record = self.members
        return RawSample(((name, data), record), self.row)


@dataclass(frozen=True)
class Planted:
    """A root that may be changed."""

    root: Path

    def rows(self, shard: int = 0) -> list[IndexRow]:
        """Its index rows of one shard."""
        table = pq.read_table(self.root / "index.parquet").to_pylist()
        return [
            IndexRow(**{k: v for k, v in row.items() if k != "shard"})
            for row in table
            if row["shard"] == shard
        ]

    def samples(self, shard: int = 0) -> list[RawSample]:
        """Its samples of one shard."""
        rows = self.rows(shard)
        with tarfile.open(self.root / f"shards/train-{shard:06d}.tar") as tar:
            members = [(m.name, tar.extractfile(m).read()) for m in tar]  # type: ignore[union-attr]
        return [RawSample(tuple(members[2 * i : 2 * i + 2]), row) for i, row in enumerate(rows)]

    def change_samples(self, change: Callable[[list[RawSample]], list[RawSample]]) -> None:
        """Packs the first shard anew from other samples."""
        data, rows = packed(change(self.samples()))
        self._finish(data, rows, rows)

    def change_tar(self, change: Callable[[bytes], bytes]) -> None:
        """Other bytes of the first shard, whose size and md5sum are given as what they then are."""
        self._finish(change((self.root / FIRST).read_bytes()), self.rows(), None)

    def change_rows(self, change: Callable[[list[IndexRow]], list[IndexRow]]) -> None:
        """Other rows of the first shard in the index, which header and hash agree with."""
        self._finish((self.root / FIRST).read_bytes(), change(self.rows()), None)

    def change_json(self, name: str, change: Callable[[Any], Any]) -> None:
        """Other content of one JSON file, and nothing else."""
        path = self.root / name
        path.write_text(json.dumps(change(json.loads(path.read_text()))))

    def change_bytes(self, name: str, change: Callable[[bytes], bytes]) -> None:
        """Other bytes of one file, and nothing else."""
        path = self.root / name
        path.write_bytes(change(path.read_bytes()))

    def _finish(self, data: bytes, rows: list[IndexRow], offsets_of: list[IndexRow] | None) -> None:
        (self.root / FIRST).write_bytes(data)
        if offsets_of is not None:
            ends = [row.offset for row in offsets_of]
            ends.append(offsets_of[-1].offset + offsets_of[-1].size)
            idx = b"".join(end.to_bytes(8, "little") for end in ends)
            (self.root / f"{FIRST}.idx").write_bytes(idx)
        parts = [part("train-000000", data, rows)]
        for path in sorted((self.root / "shards").glob("*.tar"))[1:]:
            parts.append(part(path.stem, path.read_bytes(), self.rows(len(parts))))
        told = CheckedAnnotations()
        finish_root(
            str(self.root),
            None,
            parts,
            told,
            MomentsOrigin(),
            "a profile",
            0.5,
            {},
            {"": "the command"},
        )


def part(name: str, data: bytes, rows: list[IndexRow]) -> Part:
    """The facts of a shard of the bytes `data`."""
    return Part(
        name=name,
        size=len(data),
        md5=hashlib.md5(data).hexdigest(),
        rows=tuple(rows),
        skipped=(),
    )


def packed(samples: list[RawSample]) -> tuple[bytes, list[IndexRow]]:
    """A tar of `samples`, by Python's own tarfile, and its rows."""
    data = b""
    rows = []
    for sample in samples:
        members = b"".join(tar_member(name, content) for name, content in sample.members)
        rows.append(
            replace(sample.row, offset=len(data), size=len(members), crc32=zlib.crc32(members))
        )
        data += members
    return data + bytes(-(len(data) + 1024) % 10240 + 1024), rows


def tar_member(name: str, content: bytes, **fields: Any) -> bytes:
    """One member, without the end of an archive."""
    info = tarfile.TarInfo(name)
    info.size = len(content)
    for field, value in fields.items():
        setattr(info, field, value)
    header = info.tobuf(tarfile.USTAR_FORMAT)
    sink = io.BytesIO(header)
    sink.seek(len(header))
    sink.write(content + bytes(-len(content) % 512))
    return sink.getvalue()


Place = tuple[str, str, str, int | None]


def place(fault: Fault) -> Place:
    """What a fault names: (kind, file, key, offset)."""
    return (str(fault.kind), fault.file, fault.key, fault.offset)
