"""Bytes → record and media. A range of whole samples is itself a tar stream."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from webdataset.tariterators import group_by_keys

from replai.core.errors import SampleError
from replai.core.record import Action, SampleRecord
from replai.stream.fetch import Fetched
from replai.stream.plan import Place


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
        media = bytes(sample["mp4"])
    except (tarfile.TarError, ValueError, KeyError, RecursionError) as error:
        raise SampleError(f"index row {item.row} is not one sample: {_short(error)}") from error
    if actions is not None:
        record = replace(record, actions=actions.get(item.row, ()))
    return Unpacked(item.place, item.row, item.ordinal, str(sample["__key__"]), record, media)


def _members(data: bytes) -> Iterator[dict[str, Any]]:
    """What webdataset's `tar_file_expander` gives: it reads streams, in blocks of 10 kB and
    decompressed without a limit, and takes five times as long.
    """
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as tar:
        for member in tar:
            # A sparse file's holes would be made, terabytes of them; below 0, it would not go on.
            if not 0 <= member.size <= len(data):
                raise tarfile.ReadError(f"{member.size} bytes of {member.name!r} in {len(data)}")
            file = tar.extractfile(member) if member.isreg() else None
            if file is not None:
                yield {"fname": member.name, "data": file.read(), "__url__": "range"}


def _short(error: Exception) -> str:
    # webdataset appends streams and URLs to the arguments
    reason = str(error.args[0])[:200] if error.args else ""
    return f"{type(error).__name__} {reason}".splitlines()[0]
