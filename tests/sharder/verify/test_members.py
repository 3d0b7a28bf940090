"""Walking a tar: what is found is what was written, whatever stands between."""

from __future__ import annotations

import io
import os
import random
import tarfile
import tracemalloc
import zlib
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from replai.core import storage
from sharder.verify import reading
from sharder.verify.members import TO_THE_END, Damage, TarSample, read_samples
from sharder.verify.reading import ShardReader
from tests.sharder.verify.planting import tar_member

END = bytes(1024)


def walk(data: bytes, kept: tuple[str, ...] = ("json",)) -> list[TarSample | Damage]:
    storage.write_bytes("memory://walk.tar", data)
    reader = ShardReader("memory://walk.tar", len(data))
    found = list(read_samples(reader, lambda _i, kind, _size: kind in kept))
    assert reader.at == len(data)
    return found


def test_samples_have_their_bytes() -> None:
    a = tar_member("a.mp4", b"x" * 700) + tar_member("a.json", b"{}")
    b = tar_member("b.json", b"[1]") + tar_member("b.x.y", b"")
    one, two = walk(a + b + END)
    assert isinstance(one, TarSample) and isinstance(two, TarSample)
    assert (one.key, one.offset, one.size, one.crc32) == ("a", 0, len(a), zlib.crc32(a))
    assert (two.key, two.offset, two.size, two.crc32) == ("b", len(a), len(b), zlib.crc32(b))
    assert one.kinds == ["mp4", "json"] and one.contents == {"json": b"{}"}
    assert two.kinds == ["json", "x.y"] and two.contents == {"json": b"[1]"}


def test_keys_are_those_of_webdataset() -> None:
    names = ["a/b.c/d.mp4", "../../etc/passwd.json", "nodot", ".hidden"]
    samples = walk(b"".join(tar_member(name, b"") for name in names) + END)
    keys = [one.key for one in samples if isinstance(one, TarSample)]
    assert keys == ["a/b.c/d", "../../etc/passwd", "nodot", ""]


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("sample"), st.integers(0, 2000)),
            st.tuples(st.just("noise"), st.integers(1, 4)),
        ),
        max_size=6,
    ),
    st.sampled_from([512, 700, 1 << 16]),
)
@settings(max_examples=30)
def test_samples_are_found_between_noise(pieces: list[tuple[str, int]], chunk_bytes: int) -> None:
    noise = random.Random(0)
    data, samples, spans = b"", [], []
    for i, (what, size) in enumerate(pieces):
        start = len(data)
        if what == "sample":
            data += tar_member(f"k{i}.mp4", b"m" * size) + tar_member(f"k{i}.json", b"{}")
            samples.append((f"k{i}", start, len(data) - start, zlib.crc32(data[start:])))
        else:
            data += noise.randbytes(512 * size)
            spans.append((start, len(data)))
    before, reading.CHUNK_BYTES = reading.CHUNK_BYTES, chunk_bytes
    try:
        found = walk(data + END)
    finally:
        reading.CHUNK_BYTES = before
    assert samples == [
        (one.key, one.offset, one.size, one.crc32) for one in found if isinstance(one, TarSample)
    ]
    stops = [one.stop for one in found if isinstance(one, Damage)]
    starts = [one.offset for one in found if isinstance(one, Damage)]
    joined = joined_spans(spans)
    assert starts == [start for start, _ in joined]
    assert stops == [TO_THE_END if stop == len(data) else stop for _, stop in joined]


def joined_spans(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """The spans, neighbours made one."""
    joined: list[tuple[int, int]] = []
    for start, stop in spans:
        if joined and joined[-1][1] == start:
            start, _ = joined.pop()
        joined.append((start, stop))
    return joined


def test_a_tar_of_python_is_read_as_python_reads_it() -> None:
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for i in range(5):
            for kind, size in (("mp4", 5000 * i), ("json", i)):
                info = tarfile.TarInfo(f"{'folder/' * 20}k{i}.{kind}")
                info.size = size
                tar.addfile(info, io.BytesIO(os.urandom(size)))
    found = walk(sink.getvalue())
    assert all(isinstance(one, TarSample) for one in found)
    assert [one.key for one in found if isinstance(one, TarSample)] == [
        f"{'folder/' * 20}k{i}" for i in range(5)
    ]


def test_memory_does_not_grow_with_a_member(tmp_path: Path) -> None:
    path, info = tmp_path / "large.tar", tarfile.TarInfo("a.mp4")
    info.size = size = 80_000_000
    path.write_bytes(info.tobuf(tarfile.USTAR_FORMAT))
    with path.open("r+b") as file:
        file.truncate(512 + size + 2048)
    reader = ShardReader(str(path), path.stat().st_size)
    tracemalloc.start()
    (sample,) = read_samples(reader, lambda _i, kind, _size: kind == "json")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert isinstance(sample, TarSample) and sample.size > size
    assert peak < 4 * reading.CHUNK_BYTES
