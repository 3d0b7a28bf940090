"""Bytes → record and media. A range of whole samples is itself a tar stream."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from webdataset.tariterators import group_by_keys

from replai.core.errors import SampleError
from replai.core.record import Action, SampleRecord
from replai.stream.fetch import Fetched
from replai.stream.plan import Place
from replai.stream.stored import Data


@dataclass(frozen=True)
class Unpacked:
    """One sample: its record and its encoded segment. Nothing is unpickled."""

    place: Place
    row: int
    ordinal: int
    key: str
    record: SampleRecord
    media: bytes


def unpack_sample(
    item: Fetched, actions: Mapping[int, tuple[Action, ...]] | None = None
) -> Unpacked:
    """The sample in one byte range, grouped by webdataset's own rules.

    `actions` by row of the index, if given, stand in place of the record's.
    Raises SampleError if it is not exactly one whole sample.
    """
    try:
        samples = list(group_by_keys(_members(item.data)))
        (sample,) = samples
        record = SampleRecord.from_json(sample["json"])
        media: bytes = sample["mp4"]
    except (tarfile.TarError, ValueError, KeyError, RecursionError) as error:
        raise SampleError(f"index row {item.row} is not one sample: {_short(error)}") from error
    if actions is not None:
        record = replace(record, actions=actions.get(item.row, ()))
    return Unpacked(item.place, item.row, item.ordinal, str(sample["__key__"]), record, media)


def _members(data: Data) -> Iterator[dict[str, Any]]:
    """What webdataset's `tar_file_expander` gives for plain files, at half of the cost: it reads
    streams, in blocks of 10 kB and decompressed without a limit.

    Links, files with holes and headers that lead to further ones are refused: no shard has them.
    """
    view, start = memoryview(data), 0
    while start < len(view):
        header = view[start : start + tarfile.BLOCKSIZE]
        member = tarfile.TarInfo.frombuf(bytes(header), tarfile.ENCODING, "surrogateescape")
        start += tarfile.BLOCKSIZE
        if member.type not in (tarfile.REGTYPE, tarfile.AREGTYPE):
            raise tarfile.ReadError(f"{member.name!r} is no plain file")
        if not 0 <= member.size <= len(view) - start:
            raise tarfile.ReadError(f"{member.size} bytes of {member.name!r} in {len(view)}")
        content = bytes(view[start : start + member.size])
        yield {"fname": member.name, "data": content, "__url__": "range"}
        start += member.size + -member.size % tarfile.BLOCKSIZE


def _short(error: Exception) -> str:
    # webdataset appends streams and URLs to the arguments
    reason = str(error.args[0])[:200] if error.args else ""
    return f"{type(error).__name__} {reason}".splitlines()[0]
