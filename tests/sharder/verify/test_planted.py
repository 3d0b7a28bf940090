"""A fault of every kind, planted in a packed root: that one is named, and no other."""

from __future__ import annotations

import gzip
import io
import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from replai.core.record import STATE_CHANGE
from sharder.shards import IndexRow
from sharder.verify.faults import Kind
from sharder.verify.run import VerifyConfig, verify
from tests.sharder.verify.planting import (
    FIRST,
    SECOND,
    Place,
    Planted,
    RawSample,
    place,
    tar_member,
)

EVERY = VerifyConfig(decode_every=1)
NONE = VerifyConfig(decode_every=0)
INFO, SPLIT, DATASET = (f".nv-meta/{n}" for n in (".info.json", "split.yaml", "dataset.yaml"))


def named(root: Path, config: VerifyConfig = NONE) -> list[Place]:
    """The places of all faults of a root."""
    return sorted((place(f) for f in verify(str(root), config, 1, "", "").faults), key=str)


def named_exactly(planted: Planted, expected: set[Place], config: VerifyConfig = NONE) -> None:
    assert named(planted.root, config) == sorted(expected, key=str)


def in_file(kind: Kind, name: str, offset: int | None = None) -> set[Place]:
    return {(str(kind), name, "", offset)}


def in_sample(kind: Kind, row: IndexRow, offset: int | None = None) -> set[Place]:
    return {(str(kind), FIRST, row.key, row.offset if offset is None else offset)}


def test_a_root_as_packed_has_none(clean: Path) -> None:
    report = verify(str(clean), EVERY, 1, "", "")
    assert report.faults == []
    assert (report.num_samples_read, report.num_samples_decoded) == (9, 9)
    assert report.num_bytes_read == sum(p.stat().st_size for p in clean.glob("shards/*.tar"))


def test_a_root_written_anew_has_none(planted: Planted) -> None:
    planted.change_samples(lambda samples: samples)
    assert named(planted.root, EVERY) == []


def listing(change: Callable[[dict[str, Any]], Any]) -> Callable[[Planted], None]:
    """Changes shards.json in place."""

    def plant(planted: Planted) -> None:
        def changed(fields: dict[str, Any]) -> dict[str, Any]:
            change(fields)
            return fields

        planted.change_json("shards.json", changed)

    return plant


def entry(**fields: Any) -> Callable[[Planted], None]:
    """Changes what shards.json says of the first shard."""
    return listing(lambda all_: all_["shardlist"][0].update(fields))


DEEP = b"[" * 900 + b"]" * 900
HEADERS = {
    "cut": lambda p: p.change_bytes("shards.json", lambda b: b[:-9]),
    "empty": lambda p: p.change_bytes("shards.json", lambda _: b""),
    "bytes": lambda p: p.change_bytes("shards.json", lambda _: os.urandom(999)),
    "deep": lambda p: p.change_bytes("shards.json", lambda _: b"[" * 100_000),
    "a list": lambda p: p.change_json("shards.json", lambda _: []),
    "another kind": listing(lambda f: f.update(__kind__="wids-shard-index-v9")),
    "no header": listing(lambda f: f.pop("replai")),
    "no version": listing(lambda f: f["replai"].pop("schema_version")),
    "an old version": listing(lambda f: f["replai"].update(schema_version=0)),
    "a field less": listing(lambda f: f["replai"].pop("margin_seconds")),
    "a field more": listing(lambda f: f["replai"].update(colour="red")),
    "another hash": listing(lambda f: f["replai"].update(dataset_hash="0" * 64)),
    "deep samples": lambda p: p.change_bytes(
        "shards.json", lambda b: b.replace(b'"num_samples": 9', b'"num_samples": ' + DEEP)
    ),
    "a deep name": lambda p: p.change_bytes(
        "shards.json", lambda b: b.replace(b'"shards/train-000000.tar"', DEEP)
    ),
    "other samples": listing(lambda f: f["replai"].update(num_samples=10)),
    "other moments": listing(lambda f: f["replai"].update(num_moments=0)),
    "other actions": listing(lambda f: f["replai"].update(num_actions=None)),
    "no shards": listing(lambda f: f.update(shardlist=[])),
    "no list": listing(lambda f: f.update(shardlist={"url": "x"})),
    "no entry": listing(lambda f: f["shardlist"].__setitem__(0, None)),
    "twice": listing(lambda f: f["shardlist"].__setitem__(1, f["shardlist"][0])),
    "other count": entry(nsamples=4),
    "a text for a size": entry(filesize="12"),
    "no md5sum": entry(md5sum=None),
    "a path that climbs": entry(url="../data/shards/train-000000.tar"),
    "a path of this machine": entry(url="/etc/passwd"),
    "a path elsewhere": entry(url="memory://shards/train-000000.tar"),
    "no path": entry(url=["a"]),
}


@pytest.mark.parametrize("case", HEADERS)
def test_header(planted: Planted, case: str) -> None:
    HEADERS[case](planted)
    named_exactly(planted, in_file(Kind.HEADER, "shards.json"))


def test_stated_size(planted: Planted) -> None:
    entry(filesize=10)(planted)
    named_exactly(planted, in_file(Kind.SIZE, FIRST))


def test_stated_md5sum(planted: Planted) -> None:
    entry(md5sum="0" * 32)(planted)
    named_exactly(planted, in_file(Kind.MD5, FIRST))


@pytest.mark.parametrize(
    "name",
    ["shards.json", "index.parquet", FIRST, f"{FIRST}.idx", ".nv-meta/.info.json",
     ".nv-meta/split.yaml", ".nv-meta/dataset.yaml"],
)  # fmt: skip
def test_missing(planted: Planted, name: str) -> None:
    (planted.root / name).unlink()
    named_exactly(planted, in_file(Kind.MISSING, name))


@pytest.mark.parametrize(
    "name", ["shards/train-000009.tar", "shards/a b.tar.idx", "shards/deep/x\n\x1b[2J.tmp"]
)
def test_unlisted(planted: Planted, name: str) -> None:
    (planted.root / name).parent.mkdir(exist_ok=True)
    (planted.root / name).write_bytes(b"")
    named_exactly(planted, in_file(Kind.UNLISTED, name))


def without_column(data: bytes) -> bytes:
    table, sink = pq.read_table(io.BytesIO(data)), io.BytesIO()
    pq.write_table(table.drop_columns(["crc32"]), sink)
    return bytes(sink.getvalue())


INDEXES: dict[str, Callable[[bytes], bytes]] = {
    "cut": lambda b: b[:-100],
    "empty": lambda _: b"",
    "bytes": lambda _: os.urandom(5000),
    "a hole": lambda b: b[:40] + bytes(200) + b[240:],
    "a column less": without_column,
}


@pytest.mark.parametrize("case", INDEXES)
def test_index(planted: Planted, case: str) -> None:
    planted.change_bytes("index.parquet", INDEXES[case])
    named_exactly(planted, in_file(Kind.INDEX, "index.parquet"))


def test_a_row_of_no_shard(planted: Planted) -> None:
    row, path = planted.rows()[0], planted.root / "index.parquet"
    table = pq.read_table(path)
    numbers = pa.array([7, *table.column("shard").to_pylist()[1:]], pa.int32())
    pq.write_table(table.set_column(0, table.schema.field(0), numbers), path)
    expected = in_file(Kind.INDEX, "index.parquet") | in_sample(Kind.RANGE, row)
    # The hash is another, and so is the shard's number of rows, here and in Energon's file.
    found = named(planted.root)
    expected |= in_file(Kind.HEADER, "shards.json") | in_file(Kind.ENERGON, INFO)
    assert set(found) == expected
    assert len(found) == 5


def changed_row(number: int, **fields: Any) -> Callable[[list[IndexRow]], list[IndexRow]]:
    return lambda rows: [replace(r, **fields) if i == number else r for i, r in enumerate(rows)]


def test_a_row_of_another_range(planted: Planted) -> None:
    first, second, third = planted.rows()
    for fields in (
        {"offset": second.offset + 512, "size": second.size - 512},
        {"offset": second.offset + 1},
        {"size": second.size - 512},
        {"size": 10**15},
        {"size": -512},
        {"offset": -(10**15)},
        {"offset": first.offset},
        {"offset": first.offset, "size": first.size},
        {"offset": third.offset},
    ):
        planted.change_rows(changed_row(1, **fields))
        named_exactly(planted, in_sample(Kind.RANGE, second))
        planted.change_rows(lambda _: [first, second, third])


def test_a_row_too_few(planted: Planted) -> None:
    row = planted.rows()[1]
    planted.change_rows(lambda rows: [r for r in rows if r != row])
    named_exactly(planted, in_sample(Kind.RANGE, row))


def test_a_row_too_many(planted: Planted) -> None:
    row = replace(planted.rows()[1], key="nobody")
    planted.change_rows(lambda rows: [*rows, row])
    named_exactly(planted, in_sample(Kind.RANGE, row))


def test_a_row_of_another_key(planted: Planted) -> None:
    row = planted.rows()[1]
    planted.change_rows(changed_row(1, key="nobody"))
    named_exactly(planted, in_sample(Kind.KEY, row))


def test_a_key_of_two_shards(planted: Planted) -> None:
    key = planted.rows(1)[0].key

    def rename(samples: list[RawSample]) -> list[RawSample]:
        members = tuple((key + name[name.index(".") :], b) for name, b in samples[2].members)
        return [*samples[:2], RawSample(members, replace(samples[2].row, key=key))]

    planted.change_samples(rename)
    named_exactly(planted, {("key", "index.parquet", key, None)})


def test_a_row_of_another_crc32(planted: Planted) -> None:
    row = planted.rows()[2]
    planted.change_rows(changed_row(2, crc32=row.crc32 ^ 1))
    named_exactly(planted, in_sample(Kind.CRC32, row))


@pytest.mark.parametrize(
    ("field", "value"),
    [("video_id", "nobody"), ("start_seconds", -1.0), ("duration_seconds", 99.0),
     ("num_moments", 77), ("num_actions", 1), ("has_audio", False)],
)  # fmt: skip
def test_a_row_unlike_its_record(planted: Planted, field: str, value: object) -> None:
    row = planted.rows()[1]
    planted.change_rows(changed_row(1, **{field: value}))
    named_exactly(planted, in_sample(Kind.RECORD, row))
    (fault,) = verify(str(planted.root), NONE, 1, "", "").faults
    assert fault.expected == f"{field} {value!r}, by the index"
    assert fault.found == repr(getattr(row, field))


def spliced(data: bytes, start: int, stop: int, new: bytes) -> bytes:
    return data[:start] + new + data[stop:]


def test_a_turned_bit(planted: Planted) -> None:
    row = planted.rows()[1]
    at = row.offset + 700

    def turn(data: bytes) -> bytes:
        return spliced(data, at, at + 1, bytes([data[at] ^ 1]))

    planted.change_tar(turn)
    named_exactly(planted, in_sample(Kind.CRC32, row))


def test_a_turned_bit_that_nobody_counted(planted: Planted) -> None:
    row = planted.rows()[1]
    at = row.offset + 700
    planted.change_bytes(FIRST, lambda b: spliced(b, at, at + 1, bytes([b[at] ^ 1])))
    named_exactly(planted, in_sample(Kind.CRC32, row) | in_file(Kind.MD5, FIRST))


HEADS: dict[str, bytes] = {
    "noise": os.urandom(512),
    "zeros": bytes(512),
    "a link": tar_member("k.mp4", b"", type=b"2", linkname="/etc/passwd"),
    "a folder": tar_member("k.mp4", b"", type=b"5"),
    "a sparse file": tar_member("k.mp4", b"", type=b"S"),
    "a device": tar_member("k.mp4", b"", type=b"3"),
    "absurdly long": tar_member("k.mp4", b"")[:124]
    + b"\x80" + bytes(3) + b"\x7f" * 8 + tar_member("k.mp4", b"")[136:],
}  # fmt: skip


@pytest.mark.parametrize("case", HEADS)
@pytest.mark.parametrize("member", [0, 1])
def test_a_damaged_header(planted: Planted, case: str, member: int) -> None:
    row, media = planted.rows()[1], planted.samples()[1].media
    at = row.offset + member * (512 + -(-len(media) // 512) * 512)
    planted.change_tar(lambda data: spliced(data, at, at + 512, HEADS[case]))
    named_exactly(planted, in_sample(Kind.TAR, row, at))


def test_noise_over_two_samples(planted: Planted) -> None:
    first, second, third = planted.rows()
    start, stop = second.offset + 512, third.offset + 5000
    planted.change_tar(lambda data: spliced(data, start, stop, os.urandom(stop - start)))
    # The second's mp4 is whole by its header; what follows it is lost, with the third's header.
    faults = verify(str(planted.root), NONE, 1, "", "").faults
    assert first.key not in {fault.key for fault in faults}
    (tar,) = [fault for fault in faults if fault.kind is Kind.TAR]
    assert tar.key == second.key and tar.found.endswith("; 1 more samples lost")
    assert len(faults) == 1


@pytest.mark.parametrize("size", [0, 1, 511, 512, 1024, 5000])
def test_cut(planted: Planted, size: int) -> None:
    third = planted.rows()[2]
    planted.change_tar(lambda data: data[: third.offset + size])
    named_exactly(planted, in_sample(Kind.TAR, third))


def test_cut_after_it_was_packed(planted: Planted) -> None:
    second = planted.rows()[1]
    planted.change_bytes(FIRST, lambda data: data[: second.offset + 600])
    named_exactly(planted, in_sample(Kind.TAR, second) | in_file(Kind.SIZE, FIRST))
    faults = verify(str(planted.root), NONE, 1, "", "").faults
    assert any(fault.found.endswith("; 1 more samples lost") for fault in faults)


def test_no_end(planted: Planted) -> None:
    last = planted.rows()[2]
    end = last.offset + last.size
    for num_blocks in (1, 0):
        planted.change_tar(lambda data, n=num_blocks: data[: end + n * 512])  # type: ignore[misc]
        named_exactly(planted, in_file(Kind.TAR, FIRST, end))


@pytest.mark.parametrize("gap", [os.urandom(512), bytes(512), bytes(2048), os.urandom(1536)])
def test_a_gap(planted: Planted, gap: bytes) -> None:
    """Rows and offsets go on to say where the samples are; the gap is in none of them."""
    at = planted.rows()[2].offset
    planted.change_tar(lambda data: spliced(data, at, at, gap))
    moved = at + len(gap)
    planted.change_rows(changed_row(2, offset=moved))
    faults = {place(fault) for fault in verify(str(planted.root), NONE, 1, "", "").faults}
    assert faults == in_file(Kind.TAR, FIRST, at)


@pytest.mark.parametrize("data", [b"", b"\x00", os.urandom(20_000), gzip.compress(bytes(90_000))])
def test_no_tar_at_all(planted: Planted, data: bytes) -> None:
    planted.change_tar(lambda _: data)
    row = planted.rows()[0]
    named_exactly(planted, in_sample(Kind.TAR, row))


def test_a_tar_of_nothing(planted: Planted) -> None:
    planted.change_tar(lambda _: bytes(10240))
    named_exactly(planted, set().union(*(in_sample(Kind.RANGE, r) for r in planted.rows())))


def other_members(
    change: Callable[[tuple[tuple[str, bytes], ...]], tuple[tuple[str, bytes], ...]],
) -> Callable[[RawSample], RawSample]:
    return lambda sample: RawSample(change(sample.members), sample.row)


MEMBERS = {
    "no json": other_members(lambda m: m[:1]),
    "no mp4": other_members(lambda m: m[1:]),
    "the other way": other_members(lambda m: m[::-1]),
    "one more": other_members(lambda m: (*m, (m[0][0][:-3] + "txt", b"hello"))),
    "one twice": other_members(lambda m: (m[0], m[0], m[1])),
    "another ending": other_members(lambda m: ((m[0][0][:-3] + "mkv", m[0][1]), m[1])),
}


@pytest.mark.parametrize("case", MEMBERS)
def test_members(planted: Planted, case: str) -> None:
    planted.change_samples(lambda s: [s[0], MEMBERS[case](s[1]), s[2]])
    named_exactly(planted, in_sample(Kind.MEMBERS, planted.rows()[1]))


ACTION = {
    "start_seconds": 0.5, "stop_seconds": 1.0, "verb": "a", "noun": "b", "verb_class": 0,
    "noun_class": 0, "pre_seconds": 0.4, "pnr_seconds": None, "post_seconds": 1.1,
}  # fmt: skip
RECORDS: dict[str, Callable[[RawSample], RawSample]] = {
    "cut": lambda s: s.with_json(s.members[1][1][:-5]),
    "empty": lambda s: s.with_json(b""),
    "bytes": lambda s: s.with_json(os.urandom(300)),
    "a list": lambda s: s.with_json(b"[]"),
    "deep": lambda s: s.with_json(b"[" * 100_000),
    "a newer version": lambda s: s.with_fields(schema_version=3),
    "a field more": lambda s: s.with_fields(colour="red"),
    "a field less": lambda s: s.with_json(s.members[1][1].replace(b'"moments"', b'"momente"')),
    "a text for a number": lambda s: s.with_fields(start_seconds="zero"),
    "text numbers": lambda s: s.with_fields(
        video={**json.loads(s.members[1][1])["video"], "width": "42"}
    ),
    "too large": lambda s: s.with_json(s.members[1][1] + b" " * (1 << 24)),
    "deep inside": lambda s: s.with_json(
        s.members[1][1][:-1] + b',"x":' + b"[" * 900 + b"]" * 900 + b"}"
    ),
    "no number": lambda s: s.with_fields(start_seconds=float("nan")),
    "a text for moments": lambda s: s.with_fields(moments="abc"),
    "a moment outside": lambda s: s.with_fields(
        moments=[*json.loads(s.members[1][1])["moments"][1:], {"seconds": 99, "prominence": None}]
    ),
}


@pytest.mark.parametrize("case", RECORDS)
def test_record(planted: Planted, case: str) -> None:
    planted.change_samples(lambda s: [s[0], RECORDS[case](s[1]), s[2]])
    named_exactly(planted, in_sample(Kind.RECORD, planted.rows()[1]))


def test_records_of_schema_1_are_no_fault(planted: Planted) -> None:
    def of_schema_1(sample: RawSample) -> RawSample:
        action = {name: value for name, value in ACTION.items() if name not in STATE_CHANGE}
        old = sample.with_fields(schema_version=1, actions=[action])
        return replace(old, row=replace(old.row, num_actions=1))

    planted.change_samples(lambda samples: list(map(of_schema_1, samples)))
    listing(lambda f: f["replai"].update(schema_version=1))(planted)
    assert named(planted.root, EVERY) == []


@pytest.mark.parametrize("time", ["stop_seconds", *STATE_CHANGE])
def test_an_action_outside(planted: Planted, time: str) -> None:
    def with_action(sample: RawSample) -> RawSample:
        late = sample.with_fields(actions=[{**ACTION, time: 99.0}])
        return replace(late, row=replace(late.row, num_actions=1))

    planted.change_samples(lambda s: [s[0], with_action(s[1]), s[2]])
    named_exactly(planted, in_sample(Kind.RECORD, planted.rows()[1]))


@pytest.mark.parametrize(
    "fields",
    [{"video": {"width": 640, "height": 480, "fps": 10.0, "codec": "h264"}},
     {"audio": {"sample_rate_hz": 16000, "channels": 5}}],
)  # fmt: skip
def test_a_record_unlike_its_video(planted: Planted, fields: dict[str, Any]) -> None:
    planted.change_samples(lambda s: [s[0], s[1].with_fields(**fields), s[2]])
    named_exactly(planted, in_sample(Kind.RECORD, planted.rows()[1]), EVERY)


def inside_out(data: bytes) -> bytes:
    """The mp4 with noise in the middle of its frames."""
    at = data.index(b"mdat") + 300
    return spliced(data, at, at + 400, os.urandom(400))


MEDIA: dict[str, Callable[[bytes], bytes]] = {
    "cut": lambda b: b[: len(b) // 2],
    "empty": lambda _: b"",
    "text": lambda _: b"no video at all",
    "noise inside": inside_out,
}


@pytest.mark.parametrize("case", MEDIA)
def test_decode(planted: Planted, case: str) -> None:
    planted.change_samples(lambda s: [s[0], s[1].with_media(MEDIA[case](s[1].media)), s[2]])
    named_exactly(planted, in_sample(Kind.DECODE, planted.rows()[1]), EVERY)
    named_exactly(planted, set())


IDX = f"{FIRST}.idx"
OFFSETS: dict[str, tuple[Callable[[bytes], bytes], int | None]] = {
    "another": (lambda b: spliced(b, 8, 16, (512).to_bytes(8, "little")), 8),
    "another end": (lambda b: spliced(b, 24, 32, b"\xff" * 8), 24),
    "one less": (lambda b: b[:-8], None),
    "cut": (lambda b: b[:-1], None),
    "empty": (lambda _: b"", None),
}


@pytest.mark.parametrize("case", OFFSETS)
def test_offsets(planted: Planted, case: str) -> None:
    change, offset = OFFSETS[case]
    planted.change_bytes(IDX, change)
    named_exactly(planted, in_file(Kind.OFFSETS, IDX, offset))


ENERGON: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "another count": (INFO, lambda b: b.replace(b": 3", b": 4", 1)),
    "a shard more": (INFO, lambda b: b.replace(b'{\n    "sh', b'{"other.tar": 3,\n    "sh')),
    "no counts": (INFO, lambda b: b.replace(b"shard_counts", b"counts")),
    "no JSON": (INFO, lambda b: b[:-1]),
    "a shard less in the split": (SPLIT, lambda b: b.replace(f"  - {SECOND}\n".encode(), b"")),
    "a shard twice": (SPLIT, lambda b: b.replace(b"val: []", f"val: [{SECOND}]".encode())),
    "a strange shard": (SPLIT, lambda b: b.replace(b"test: []", b"test: [[1]]")),
    "no YAML": (SPLIT, lambda _: b"a: [b"),
    "bytes": (SPLIT, lambda _: os.urandom(100)),
    "code": (DATASET, lambda _: b"__class__: !!python/object/apply:os.system ['touch pwned']"),
    "no class": (DATASET, lambda _: b"__module__: megatron.energon"),
    "a list": (DATASET, lambda _: b"- a"),
}


@pytest.mark.parametrize("case", ENERGON)
def test_energon(planted: Planted, case: str) -> None:
    name, change = ENERGON[case]
    planted.change_bytes(name, change)
    named_exactly(planted, in_file(Kind.ENERGON, name))


def test_other_splits_of_energon_are_no_fault(planted: Planted) -> None:
    def move(text: bytes) -> bytes:
        line = f"  - {SECOND}\n".encode()
        return text.replace(line, b"").replace(b"val: []", b"val:\n" + line.rstrip())

    planted.change_bytes(SPLIT, move)
    assert named(planted.root) == []


def test_two_faults_are_two(planted: Planted) -> None:
    (planted.root / SECOND).unlink()
    at = planted.rows()[0].offset + 600
    planted.change_bytes(FIRST, lambda b: spliced(b, at, at + 1, bytes([b[at] ^ 1])))
    expected = in_file(Kind.MISSING, SECOND) | in_file(Kind.MD5, FIRST)
    named_exactly(planted, expected | in_sample(Kind.CRC32, planted.rows()[0]))
