import bz2
import gzip
import io
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


def fetched(data: bytes) -> Fetched:
    return Fetched(PLACE, 7, 11, data)


def tar(members: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return file.getvalue()


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
    with pytest.raises(SampleError, match="ReadError"):
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


def test_links_lead_nowhere() -> None:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        for name in ("a.json", "a.mp4"):
            link = tarfile.TarInfo(name)
            link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
            archive.addfile(link)
    with pytest.raises(SampleError, match="not enough values"):
        unpack_sample(fetched(file.getvalue()))


def sparse_file(size: int) -> bytes:
    """A GNU tar member of `size` bytes, of which 512 are stored."""
    info = tarfile.TarInfo("a.mp4")
    info.type, info.size = tarfile.GNUTYPE_SPARSE, 512
    header = bytearray(info.tobuf(tarfile.GNU_FORMAT))
    header[386:410], header[483:495] = b"%011o\0%011o\0" % (0, 512), b"%011o\0" % size
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    return bytes(header) + bytes(512)


def test_files_larger_than_what_is_stored_are_not_made() -> None:
    few, many = (sparse_file(size) for size in (600, 8 * 2**30 - 1))
    rest = tar({"a.json": JSON})
    assert len(unpack_sample(fetched(few + rest)).media) == 600
    with pytest.raises(SampleError, match=r"8589934591 bytes of 'a\.mp4' in"):
        unpack_sample(fetched(many + rest))


@pytest.mark.timeout(60)
def test_files_of_less_than_nothing_are_a_sample_error() -> None:
    """Read on by that size, a tar stays where it is, for ever."""
    first = tarfile.TarInfo("a.txt").tobuf(tarfile.USTAR_FORMAT)
    header = bytearray(tarfile.TarInfo("b.txt").tobuf(tarfile.GNU_FORMAT))
    header[124:136] = b"\xff" + (256**11 - 512).to_bytes(11, "big")
    header[156:157] = b"Z"
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    with pytest.raises(SampleError, match=r"-512 bytes of 'b\.txt'"):
        unpack_sample(fetched(first + bytes(header) + bytes(1024)))


def test_headers_without_end_are_a_sample_error() -> None:
    info = tarfile.TarInfo("././@LongLink")
    info.type, info.size = tarfile.GNUTYPE_LONGNAME, 2
    with pytest.raises(SampleError, match="RecursionError"):
        unpack_sample(fetched((info.tobuf(tarfile.GNU_FORMAT) + b"b".ljust(512, b"\0")) * 1000))


def test_random_media_bytes_stay_as_they_are() -> None:
    media = np.random.default_rng(0).bytes(5000)
    sample = Sample(key="k", media=media, record=make_record())
    assert unpack_sample(fetched(tar_members(sample))).media == media
