"""What can be wrong with a dataset root, one line each."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

LONGEST_TEXT = 300


class Kind(StrEnum):
    """Kinds of fault."""

    HEADER = "header"
    """shards.json is damaged, or disagrees with the index."""
    INDEX = "index"
    """index.parquet is damaged, or its rows name no shard."""
    MISSING = "missing"
    """A file is not there."""
    UNLISTED = "unlisted"
    """A file among the shards that shards.json does not list."""
    UNREADABLE = "unreadable"
    """The store does not give the bytes."""
    SIZE = "size"
    MD5 = "md5"
    TAR = "tar"
    """Bytes of a shard that are no member: damaged, cut off, or another kind of archive."""
    RANGE = "range"
    """A row's bytes are not those of its sample; a row or a sample without the other."""
    CRC32 = "crc32"
    KEY = "key"
    """A key that is another one in the index, or stands there twice."""
    MEMBERS = "members"
    """A sample that is not one mp4 and one json."""
    OFFSETS = "offsets"
    """A .tar.idx that disagrees with its tar."""
    ENERGON = "energon"
    """A file of .nv-meta that disagrees with shards.json."""
    RECORD = "record"
    """A sample's JSON is no record, or disagrees with the index or with its video."""
    DECODE = "decode"
    """A sample's frames or sound do not decode."""


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One thing that is not as it should be."""

    kind: Kind
    file: str
    """Path below the root."""
    expected: str
    found: str
    key: str = ""
    """The sample, if it is one's."""
    offset: int | None = None
    """Byte of the file, if it is at one."""

    def __str__(self) -> str:
        """One line without control characters, whatever the dataset holds."""
        where = shown(self.file)
        if self.key:
            where += f", sample {shown(self.key)}"
        if self.offset is not None:
            where += f", byte {self.offset}"
        return f"{where}: {self.kind}: expected {shown(self.expected)}, found {shown(self.found)}"


def shown(text: str) -> str:
    """`text` of a dataset as one line for a terminal: cut, and escaped where it must be."""
    short = text if len(text) <= LONGEST_TEXT else f"{text[:LONGEST_TEXT]}…"
    return short if short.isprintable() else ascii(short)
