import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from replai.core.errors import UserError
from replai.core.index import (
    HEADER_NAME,
    INDEX_NAME,
    SCHEMA,
    Header,
    dataset_hash,
    decode_table,
    encode_table,
    open_index,
)
from replai.core.record import SCHEMA_VERSION

ROWS = [
    {
        "shard": i // 2, "offset": 1024 * (i % 2), "size": 1024, "crc32": 2**32 - 1 - i,
        "key": f"k{i}", "video_id": "vidéo", "start_seconds": 0.1 * i, "duration_seconds": 12.2,
        "num_moments": i, "num_actions": 0, "has_audio": i > 0,
    }
    for i in range(3)
]  # fmt: skip
TABLE = pa.Table.from_pylist(ROWS, schema=SCHEMA)
HEADER = Header(
    schema_version=SCHEMA_VERSION,
    profile="copy",
    margin_seconds=1.1,
    num_samples=3,
    num_moments=3,
    num_actions=0,
    dataset_hash=dataset_hash(TABLE),
    verbs={"0": "open"},
    nouns={},
)
SHARDS = [{"url": f"shards/train-{i:06d}.tar", "nsamples": 2, "filesize": 10240} for i in range(2)]
FIELDS: dict[str, Any] = {"wids_version": 1, "shardlist": SHARDS, "replai": HEADER.to_fields()}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / INDEX_NAME).write_bytes(encode_table(TABLE))
    write_header(tmp_path, FIELDS)
    return tmp_path


def write_header(root: Path, fields: object) -> None:
    (root / HEADER_NAME).write_text(json.dumps(fields))


def test_opens(root: Path) -> None:
    index = open_index(str(root))
    assert index.header == HEADER
    assert index.table == TABLE
    assert index.shard_urls[0] == f"{root}/shards/train-000000.tar"
    assert index.shard_sizes == (10240, 10240)
    assert index.shard_urls[1] == f"{root}/shards/train-000001.tar"
    assert index.column("crc32").tolist() == [2**32 - 1, 2**32 - 2, 2**32 - 3]
    assert index.column("has_audio").dtype == np.bool_
    assert index.column("key").tolist() == ["k0", "k1", "k2"]


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=f"no dataset at {tmp_path}/none: no such folder"):
        open_index(f"{tmp_path}/none")


def test_unfinished(root: Path) -> None:
    (root / HEADER_NAME).unlink()
    with pytest.raises(UserError, match=f"{root} is no finished dataset .*sharder pack"):
        open_index(str(root))


def test_without_its_index(root: Path) -> None:
    (root / INDEX_NAME).unlink()
    with pytest.raises(UserError, match=f"no such file.*{root}/{INDEX_NAME}"):
        open_index(str(root))


@pytest.mark.parametrize(
    "change",
    [
        {"dataset_hash": "0" * 64},
        {"num_samples": 4},
    ],
)
def test_header_of_another_index(root: Path, change: dict[str, object]) -> None:
    write_header(root, {**FIELDS, "replai": {**FIELDS["replai"], **change}})
    with pytest.raises(UserError, match="disagree"):
        open_index(str(root))


@pytest.mark.parametrize("name", ["shard", "offset", "size", "crc32", "key", "num_moments"])
def test_index_of_another_dataset(root: Path, name: str) -> None:
    rows = [dict(row) for row in ROWS]
    rows[1][name] = "other" if name == "key" else 7
    table = pa.Table.from_pylist(rows, schema=SCHEMA)
    (root / INDEX_NAME).write_bytes(encode_table(table))
    with pytest.raises(UserError, match="disagree"):
        open_index(str(root))


def test_rows_that_the_header_does_not_tell_of_do_not_count_yet(root: Path) -> None:
    more = pa.concat_tables([TABLE, TABLE.slice(1, 1)])
    (root / INDEX_NAME).write_bytes(encode_table(more))
    assert open_index(str(root)).table == TABLE
    for number in (-1, "3"):
        write_header(root, {**FIELDS, "replai": {**FIELDS["replai"], "num_samples": number}})
        with pytest.raises(UserError, match="is damaged"):
            open_index(str(root))


def test_rows_in_another_order(root: Path) -> None:
    assert dataset_hash(TABLE.take([1, 0, 2])) != dataset_hash(TABLE)


@pytest.mark.parametrize("first,last", [(0, 3), (1, 3), (2, 3), (3, 3)])
def test_the_hash_is_of_numbers_as_they_lie_and_of_strings_a_line_each(
    first: int, last: int
) -> None:
    expected = hashlib.sha256()
    for one in SCHEMA:
        values = [row[one.name] for row in ROWS[first:last]]
        if pa.types.is_string(one.type):
            expected.update("\n".join(map(str, values)).encode())
        else:
            expected.update(np.array(values, one.type.to_pandas_dtype()).tobytes())
    whole = TABLE.slice(first, last - first)
    in_pieces = pa.concat_tables([TABLE.slice(i, 1) for i in range(first, last)] or [whole])
    assert dataset_hash(whole) == dataset_hash(in_pieces) == expected.hexdigest()


def test_newer_schema(root: Path) -> None:
    newer = {**FIELDS["replai"], "schema_version": SCHEMA_VERSION + 1, "new_field": 1}
    write_header(root, {**FIELDS, "replai": newer})
    with pytest.raises(UserError, match=f"has schema version {SCHEMA_VERSION + 1}; this software"):
        open_index(str(root))


def test_older_schema(root: Path) -> None:
    """What version 2 added is in the samples, not in the index."""
    write_header(root, {**FIELDS, "replai": {**FIELDS["replai"], "schema_version": 1}})
    assert open_index(str(root)).header.num_samples == 3


def test_a_wids_index_of_somebody_else(root: Path) -> None:
    write_header(root, {"wids_version": 1, "shardlist": SHARDS})
    with pytest.raises(UserError, match="without our header"):
        open_index(str(root))


@pytest.mark.parametrize("data", [b"", b"{", b"[1]", b"3", b"null", b"\xff\xfe\xff"])
def test_header_that_is_no_json_object(root: Path, data: bytes) -> None:
    (root / HEADER_NAME).write_bytes(data)
    with pytest.raises(UserError, match=f"{root}/{HEADER_NAME} is no JSON object"):
        open_index(str(root))


@pytest.mark.parametrize(
    "fields",
    [
        {"replai": FIELDS["replai"]},
        {**FIELDS, "shardlist": [{"url": "a"}]},
        {**FIELDS, "shardlist": [{"url": "a", "filesize": "big"}]},
        {**FIELDS, "shardlist": 3},
        {**FIELDS, "replai": {"schema_version": SCHEMA_VERSION}},
        {**FIELDS, "replai": {**FIELDS["replai"], "surplus": 1}},
    ],
)
def test_damaged_header(root: Path, fields: object) -> None:
    write_header(root, fields)
    with pytest.raises(UserError, match=f"{root}/{HEADER_NAME} is damaged"):
        open_index(str(root))


def test_shards_outside_the_root_are_refused(root: Path) -> None:
    for url in ("../../secret", "/etc/passwd"):
        write_header(root, {**FIELDS, "shardlist": [SHARDS[0], {**SHARDS[1], "url": url}]})
        with pytest.raises(UserError, match="no relative path"):
            open_index(str(root))


def test_equal_tables_are_equal_bytes() -> None:
    assert encode_table(pa.Table.from_pylist(ROWS, schema=SCHEMA)) == encode_table(TABLE)
    assert decode_table(encode_table(TABLE)) == TABLE


def test_columns_are_picked_by_name() -> None:
    wider = TABLE.append_column("later", pa.array([1, 2, 3])).select([*SCHEMA.names[::-1], "later"])
    assert decode_table(encode_table(wider)) == TABLE


@pytest.mark.parametrize(
    "table",
    [
        TABLE.drop_columns(["size"]),
        TABLE.set_column(2, "size", pa.array(["a", "b", "c"])),
        TABLE.set_column(2, "size", pa.array([{"a": 1}] * 3)),
        TABLE.set_column(4, "key", pa.array(["a", None, "c"])),
    ],
)
def test_other_columns_are_refused(table: pa.Table, tmp_path: Path) -> None:
    pq.write_table(table, tmp_path / "t")
    with pytest.raises(UserError, match=f"{INDEX_NAME} cannot be read"):
        decode_table((tmp_path / "t").read_bytes())


def test_damaged_bytes_never_open(root: Path) -> None:
    whole = encode_table(TABLE)
    draw = np.random.default_rng(0)
    damaged = [whole[:cut] for cut in draw.integers(0, len(whole) - 1, 30)]
    for place in draw.integers(0, len(whole), 200).tolist():
        damaged.append(whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :])
    for data in damaged:
        (root / INDEX_NAME).write_bytes(data)
        try:
            index = open_index(str(root))
        except UserError:
            continue
        assert dataset_hash(index.table) == HEADER.dataset_hash
