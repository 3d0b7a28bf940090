"""The index of a dataset root: one row a sample, and the header that says the root is finished.

ROOT/index.parquet   a row a sample: where its bytes lie, what the plan must know of it
ROOT/shards.json     a wids index plus our header; written last

A root grows at its end only: the index is written before `shards.json` and read after it, so that
whoever reads while something is appended sees the dataset of before or the one of after.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from replai.core import storage
from replai.core.arrow import in_one_chunk, read_parquet, to_numpy
from replai.core.errors import UserError
from replai.core.obstore_reads import read_quickly
from replai.core.record import READABLE_VERSIONS, Action
from replai.core.shared_table import SharedTable, map_table

INDEX_NAME = "index.parquet"
HEADER_NAME = "shards.json"

SCHEMA = pa.schema(
    [
        ("shard", pa.int32()),
        ("offset", pa.int64()),
        ("size", pa.int64()),
        ("crc32", pa.uint32()),
        ("key", pa.string()),
        ("video_id", pa.string()),
        ("start_seconds", pa.float64()),
        ("duration_seconds", pa.float64()),
        ("num_moments", pa.int32()),
        ("num_actions", pa.int32()),
        ("has_audio", pa.bool_()),
    ]
)


@dataclass(frozen=True, kw_only=True)
class Header:
    """What `shards.json` says of a root beyond the list of shards."""

    schema_version: int
    profile: str
    """How segments are stored, as in `copy` or `transcode short_side=256 fps=16 gop=8 crf=23`."""
    margin_seconds: float
    """Every stored moment has at least this much of its video on both sides."""
    num_samples: int
    num_moments: int
    num_actions: int
    dataset_hash: str
    """sha256 over the index; resume refuses another dataset."""
    verbs: dict[str, str]
    """Class id (as text) → name, of the verb classes that the annotations know."""
    nouns: dict[str, str]
    settings: dict[str, str] = field(default_factory=dict)
    """What all samples were made with; what is appended must be made with the same."""
    jobs: dict[str, str] = field(default_factory=dict)
    """Digest → command of each pack that this dataset is made of, in their order."""
    origins: dict[str, str] = field(default_factory=dict)
    """What `moments`, `annotations`, `verb classes` and `noun classes` were read from; the unit of
    `prominences`."""

    def to_fields(self) -> dict[str, Any]:
        """As plain JSON fields."""
        return {one.name: getattr(self, one.name) for one in fields(self)}


@dataclass(frozen=True)
class Part:
    """One of the datasets that an index holds: their samples and shards follow each other."""

    root: str
    num_samples: int
    num_shards: int
    dataset_hash: str
    weight: float = 0.0
    """Share of the samples drawn, relative to the others'; 0 in all: as large as they are."""


@dataclass(frozen=True)
class DatasetIndex:
    """An opened dataset root, or several. The columns are numpy arrays of `num_samples` rows."""

    root: str
    header: Header
    shard_urls: tuple[str, ...]
    shard_sizes: tuple[int, ...]
    table: pa.Table
    parts: tuple[Part, ...]
    """The datasets whose samples these are; usually one."""
    actions: Mapping[int, tuple[Action, ...]] | None = None
    """Row → actions that stand in place of the sample's own; None: the samples' own count."""

    def __reduce__(self) -> tuple[Any, ...]:
        """Travels to another process of this machine without its table, which is shared."""
        facts = (
            self.root,
            self.header,
            self.shard_urls,
            self.shard_sizes,
            self.parts,
            self.actions,
        )
        return _arrived, (self._shared.path, *facts)

    @cached_property
    def _shared(self) -> SharedTable:
        return SharedTable(self.table)

    def column(self, name: str) -> NDArray[Any]:
        """One column as a numpy array [num_samples]."""
        return to_numpy(self.table.column(name))


def _arrived(
    path: str,
    root: str,
    header: Header,
    shard_urls: tuple[str, ...],
    shard_sizes: tuple[int, ...],
    parts: tuple[Part, ...],
    actions: Mapping[int, tuple[Action, ...]] | None,
) -> DatasetIndex:
    """What `DatasetIndex.__reduce__` sends, where it arrives."""
    return DatasetIndex(root, header, shard_urls, shard_sizes, map_table(path), parts, actions)


def open_index(root: str) -> DatasetIndex:
    """Opens the dataset at URL `root`.

    The index may hold more rows than `shards.json` tells of: what is being appended is not yet
    part of the dataset. Raises UserError where there is no dataset, an unfinished one, one of a
    newer schema, or one whose index is not the index that `shards.json` was written with.
    """
    fields_ = _read_header_fields(root)
    ours = fields_.get("replai")
    if not isinstance(ours, dict):
        raise UserError(f"{root}/{HEADER_NAME} is a wids index without our header; pack it again")
    if ours.get("schema_version") not in READABLE_VERSIONS:
        raise UserError(
            f"{root} has schema version {ours.get('schema_version')}; this software reads "
            f"{' and '.join(map(str, READABLE_VERSIONS))}"
        )
    header, shards = _header(root, fields_)
    url = storage.join(root, INDEX_NAME)
    data = read_quickly(url)
    table = decode_table(storage.read_bytes(url) if data is None else data)
    table = table.slice(0, header.num_samples)
    if dataset_hash(table) != header.dataset_hash or table.num_rows != header.num_samples:
        raise UserError(f"{root}: {INDEX_NAME} and {HEADER_NAME} disagree; run the pack again")
    return DatasetIndex(
        root=root,
        header=header,
        shard_urls=tuple(storage.join(root, name) for name, _ in shards),
        shard_sizes=tuple(size for _, size in shards),
        table=table,
        parts=(Part(root, header.num_samples, len(shards), header.dataset_hash),),
    )


def _header(root: str, fields_: dict[str, Any]) -> tuple[Header, list[tuple[str, int]]]:
    """Our header, and (name, size in bytes) of each shard."""
    try:
        shards = [(str(shard["url"]), int(shard["filesize"])) for shard in fields_["shardlist"]]
        header = Header(**fields_["replai"])
        if header.num_samples < 0:
            raise ValueError(f"{header.num_samples} samples")
        return header, shards
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"{root}/{HEADER_NAME} is damaged ({error}); pack it again") from None


def _read_header_fields(root: str) -> dict[str, Any]:
    url = storage.join(root, HEADER_NAME)
    data = read_quickly(url)
    if data is None and not storage.exists(url):
        if storage.is_folder(root):
            raise UserError(
                f"{root} is no finished dataset ({HEADER_NAME}, written last, is missing); "
                "run `sharder pack` to its end"
            )
        raise UserError(f"no dataset at {root}: no such folder or bucket")
    try:
        return dict(json.loads(storage.read_bytes(url) if data is None else data))
    except (ValueError, TypeError):
        raise UserError(f"{url} is no JSON object; run `sharder pack` again") from None


def encode_table(table: pa.Table) -> bytes:
    """`table` as Parquet bytes; equal tables give equal bytes."""
    sink = io.BytesIO()
    pq.write_table(table, sink, compression="zstd")
    return sink.getvalue()


def decode_table(data: bytes) -> pa.Table:
    """The index table in Parquet bytes. Raises UserError if the columns are not the index's."""
    try:
        table = read_parquet(data)
        table = table.select(SCHEMA.names).cast(SCHEMA)
        table.validate(full=True)
        if any(column.null_count for column in table.columns):
            raise pa.ArrowInvalid("a value is missing")
        return table
    except (pa.ArrowException, OSError, KeyError) as error:
        raise UserError(f"{INDEX_NAME} cannot be read: {str(error).splitlines()[0]}") from None


def dataset_hash(table: pa.Table) -> str:
    """sha256 over all columns: the samples' bytes, their order, and what decides who qualifies."""
    digest = hashlib.sha256()
    for one in SCHEMA:
        column = table.column(one.name)
        if pa.types.is_string(one.type):
            digest.update(_lines(column))
        else:
            digest.update(np.ascontiguousarray(to_numpy(column)).tobytes())
    return digest.hexdigest()


def _lines(column: pa.ChunkedArray) -> bytes:
    """The strings of a column, one a line; without a Python object for each."""
    if not len(column):
        return b""
    whole = in_one_chunk(column)
    _, ends, text = whole.buffers()
    stops = np.frombuffer(ends, np.int32)[whole.offset : whole.offset + len(whole) + 1]
    joined = np.frombuffer(text or b"", np.uint8)[stops[0] : stops[-1]]
    return np.insert(joined, stops[1:-1] - stops[0], ord("\n")).tobytes()
