"""Bytes → record and media. A range of whole samples is itself a tar stream."""

from __future__ import annotations

import io
import tarfile
from dataclasses import dataclass

from webdataset.tariterators import group_by_keys, tar_file_expander

from replai.core.errors import SampleError
from replai.core.record import SampleRecord
from replai.stream.fetch import Fetched
from replai.stream.plan import Place
from replai.stream.shards import TAR_MAGIC, TAR_MAGIC_AT


@dataclass(frozen=True)
class Unpacked:
    """One sample: its record and its encoded segment. Nothing is unpickled."""

    place: Place
    row: int
    ordinal: int
    key: str
    record: SampleRecord
    media: bytes


def unpack_sample(item: Fetched) -> Unpacked:
    """The sample in one byte range, read by webdataset's own tar reader.

    Raises SampleError if it is not exactly one whole sample.
    """
    if item.data[TAR_MAGIC_AT] != TAR_MAGIC:  # webdataset would also decompress, without a limit
        raise SampleError(f"index row {item.row} is not one sample: no uncompressed tar")
    source = iter([{"url": "range", "stream": io.BytesIO(item.data)}])
    try:
        samples = list(group_by_keys(tar_file_expander(source)))
        (sample,) = samples
        record = SampleRecord.from_json(sample["json"])
        media = bytes(sample["mp4"])
    except (tarfile.TarError, ValueError, KeyError) as error:
        raise SampleError(f"index row {item.row} is not one sample: {_short(error)}") from error
    return Unpacked(item.place, item.row, item.ordinal, str(sample["__key__"]), record, media)


def _short(error: Exception) -> str:
    # webdataset appends streams and URLs to the arguments
    reason = str(error.args[0])[:200] if error.args else ""
    return f"{type(error).__name__} {reason}".splitlines()[0]
