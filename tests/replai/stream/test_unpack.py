import bz2
import gzip
import lzma
import pickle
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from replai.core.errors import SampleError
from replai.core.record import SampleRecord
from replai.stream.fetch import Failed, Fetched
from replai.stream.figures import Meter
from replai.stream.plan import Place
from replai.stream.stages import each
from replai.stream.unpack import Unpacked, unpack_sample
from sharder.shards import Sample, tar_members
from tests.replai.stream.small import make_record

PLACE = Place(1, 2, 3, 4, 5)
SAMPLE = Sample(key="P01_000000000", media=bytes(range(256)) * 3, record=make_record((1.5,)))


def fetched(data: bytes | memoryview) -> Fetched:
    return Fetched(PLACE, 7, 11, data)


def tar(members: dict[str, bytes]) -> bytes:
    """Members as a range of a shard has them: without the blocks that end an archive."""
    found = b""
    for name, data in members.items():
        info = tarfile.TarInfo(name)
        info.size = len(data)
        found += info.tobuf(tarfile.USTAR_FORMAT) + data + bytes(-len(data) % 512)
    return found


JSON = SAMPLE.record.to_json()
whole = tar_members(SAMPLE)


def test_one_sample() -> None:
    one = unpack_sample(fetched(tar_members(SAMPLE)))
    assert (one.place, one.ordinal, one.key) == (PLACE, 11, SAMPLE.key)
    assert one.record == SAMPLE.record
    assert one.media == SAMPLE.media


def test_the_stage_keeps_failures_in_their_places() -> None:
    earlier, meter = Failed(PLACE, 7, "gone"), Meter()
    items = iter([fetched(whole), earlier, fetched(b"garbage"), fetched(whole)])
    first, second, third, fourth = each(items, unpack_sample, meter)
    assert isinstance(first, Unpacked)
    assert first == fourth == unpack_sample(fetched(whole))
    assert second is earlier
    assert isinstance(third, Failed)
    assert (third.place, third.row) == (PLACE, 7)
    assert third.reason.startswith("index row 7 is not one sample: ")
    assert meter.take().decode_seconds > 0


def test_the_stage_lets_bugs_through() -> None:
    def bug(_: Fetched) -> Unpacked:
        raise ValueError("a bug")

    with pytest.raises(ValueError, match="a bug"):
        list(each(iter([fetched(whole)]), bug, Meter()))


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        ({}, "not enough values"),
        ({"a": b""}, "not enough values"),
        ({"a.mp4": b"", "a.json": JSON, "b.mp4": b"", "b.json": JSON}, "too many values"),
        ({"a.json": JSON}, "KeyError mp4"),
        ({"a.mp4": b""}, "KeyError json"),
        ({"a.mp4": b"", "a.json": b"{}"}, "not a sample record"),
        ({"a.mp4": b"", "a.json": b"[" * 100_000}, "not a sample record"),
        ({"a.mp4": b"", "a.json": JSON, "a.__key__": b"x"}, "duplicate file name"),
        ({"a.mp4": b"", "a.json": JSON, "a.MP4": b"x"}, "duplicate file name"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_not_one_sample(members: dict[str, bytes], reason: str) -> None:
    with pytest.raises(SampleError, match=f"^index row 7 is not one sample: .*{reason}") as caught:
        unpack_sample(fetched(tar(members)))
    assert "\n" not in str(caught.value)
    assert " object at " not in str(caught.value)


@pytest.mark.parametrize("compress", [gzip.compress, bz2.compress, lzma.compress])
def test_compressed_samples_are_not_opened(compress: Callable[[bytes], bytes]) -> None:
    with pytest.raises(SampleError, match="HeaderError"):
        unpack_sample(fetched(compress(whole)))


def test_a_range_of_two_samples() -> None:
    other = Sample(key="other", media=b"", record=SAMPLE.record)
    with pytest.raises(SampleError, match="too many values"):
        unpack_sample(fetched(whole + tar_members(other)))
    with pytest.raises(SampleError, match="duplicate file name"):
        unpack_sample(fetched(whole + whole))


@given(st.binary(max_size=2000))
@pytest.mark.parametrize(
    "prefix", [b"", b"\x1f\x8b\x08", b"BZh91AY&SY", b"\xfd7zXZ\x00", whole[:512]]
)
def test_garbage_is_a_sample_error(prefix: bytes, data: bytes) -> None:
    with pytest.raises(SampleError, match="index row 7"):
        unpack_sample(fetched(prefix + data))


@given(st.integers(0, len(whole) - 1), st.integers(1, 255))
def test_a_changed_byte_is_a_sample_or_a_sample_error(place: int, change: int) -> None:
    data = whole[:place] + bytes([whole[place] ^ change]) + whole[place + 1 :]
    try:
        unpack_sample(fetched(data))
    except SampleError as error:
        assert "\n" not in str(error)


@given(st.integers(0, len(whole) - 1))
def test_a_cut_range_is_never_another_sample(cut: int) -> None:
    try:
        one = unpack_sample(fetched(whole[:cut]))
    except SampleError:
        return
    assert (one.media, one.record) == (SAMPLE.media, SAMPLE.record)


class Bomb:
    """Unpickling it writes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return (Path.write_text, (self.path, "executed"))


def test_nothing_is_executed_or_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    bomb = pickle.dumps(Bomb(tmp_path / "executed"))
    extensions = ("pkl", "pyd", "pickle", "pth", "npy", "npz", "cbor", "ten", "py", "__init__.py")
    extra = {f"a.{extension}": bomb for extension in extensions}
    members = {**extra, "a.json": JSON, "a.mp4": bomb}
    one = unpack_sample(fetched(tar(members)))
    assert one.media == bomb
    assert one.record == SampleRecord.from_json(JSON)
    outside = {"../../evil.json": JSON, "../../evil.mp4": b"x"}
    with pytest.raises(SampleError):
        unpack_sample(fetched(tar({**outside, "a.json": JSON, "a.mp4": b""})))
    assert list(tmp_path.iterdir()) == []
    pickle.loads(bomb)
    assert (tmp_path / "executed").exists(), "the bomb itself works"


@pytest.mark.parametrize(
    "kind",
    [
        tarfile.SYMTYPE,
        tarfile.LNKTYPE,
        tarfile.DIRTYPE,
        tarfile.FIFOTYPE,
        tarfile.CONTTYPE,
        tarfile.GNUTYPE_SPARSE,  # its holes may be terabytes
        tarfile.GNUTYPE_LONGNAME,  # each may lead to another one, without end
        tarfile.XHDTYPE,
        b"Z",
    ],
)
def test_only_plain_files_are_members(kind: bytes) -> None:
    odd = tarfile.TarInfo("a.txt")
    odd.type, odd.linkname = kind, "/etc/passwd"
    with pytest.raises(SampleError, match=r"ReadError 'a\.txt' is no plain file"):
        unpack_sample(fetched(odd.tobuf(tarfile.GNU_FORMAT) + whole))


def test_a_member_larger_than_the_range() -> None:
    with pytest.raises(SampleError, match=r"2000 bytes of 'a\.mp4' in 1024"):
        unpack_sample(fetched(tar({"a.mp4": bytes(2000)})[:1024]))


@pytest.mark.timeout(60)
def test_a_member_of_less_than_nothing() -> None:
    """Read on by that size, a tar stays where it is, for ever."""
    header = bytearray(tarfile.TarInfo("b.txt").tobuf(tarfile.GNU_FORMAT))
    header[124:136] = b"\xff" + (256**11 - 512).to_bytes(11, "big")
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    with pytest.raises(SampleError, match=r"-512 bytes of 'b\.txt'"):
        unpack_sample(fetched(bytes(header) + bytes(1024)))


def test_a_part_of_what_a_request_brought() -> None:
    brought = memoryview(b"before" + whole + b"behind")
    one = unpack_sample(fetched(brought[6:-6]))
    assert (one.key, one.media) == (SAMPLE.key, SAMPLE.media)


def test_random_media_bytes_stay_as_they_are() -> None:
    media = np.random.default_rng(0).bytes(5000)
    sample = Sample(key="k", media=media, record=make_record())
    assert unpack_sample(fetched(tar_members(sample))).media == media
