"""Sources that stay open give the bytes of those that are opened for each span; few stay so."""

from __future__ import annotations

import io
import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

import av
import pytest
from av.container import InputContainer
from av.packet import PacketSideData, packet_sidedata_type_from_literal

from replai.core import storage
from replai.core.errors import SampleError
from replai.core.timeline import Span
from replai.media import container
from sharder import heads, opened
from sharder.encode import CopyProfile, Profile, TranscodeProfile, encode_file
from sharder.encoded import EncodedSegment
from sharder.heads import Heads
from sharder.opened import OpenSources
from tests.replai.media.synthetic import Recipe, encoded

PLAIN = Recipe(b_frames=2)
FRAGMENTS = "frag_keyframe+empty_moov+default_base_moof"
MP4S = {
    "plain": PLAIN,
    "one_gop": replace(PLAIN, gop=90),
    "late_audio": replace(PLAIN, audio_start_seconds=0.3, audio_rate_hz=48000),
    "edit_list": replace(PLAIN, video_start_seconds=-0.5),
    "hevc": replace(PLAIN, codec="libx265", b_frames=0),
    "fragmented": replace(PLAIN, options=(("movflags", "frag_keyframe"),)),
    "all_in_fragments": replace(PLAIN, options=(("movflags", FRAGMENTS),)),
}
OTHERS = {
    "matroska": replace(PLAIN, container="matroska"),
    "mpegts": replace(PLAIN, container="mpegts"),
}
SPANS = [Span(at / 4, at / 4 + length) for at in range(13) for length in (0.4, 1.3)]
COPY, SMALL = CopyProfile(), TranscodeProfile(short_side=16, fps=8)


@pytest.fixture
def files(monkeypatch: pytest.MonkeyPatch) -> list[BinaryIO]:
    """All files that are opened, in that order."""
    real, files = storage.reading, []

    @contextmanager
    def reading(url: str) -> Iterator[BinaryIO]:
        with real(url) as file:
            files.append(file)
            yield file

    monkeypatch.setattr(storage, "reading", reading)
    return files


def source(recipe: Recipe, folder: Path, name: str = "video") -> str:
    path = folder / name
    path.write_bytes(encoded(recipe))
    return str(path)


def two_kinds_in_one() -> bytes:
    """Two files joined, each encoded in its own way: 3 s of one, 3 s of the other."""
    kinds = [
        replace(PLAIN, b_frames=0, codec_options=(("profile", p),)) for p in ("high", "baseline")
    ]
    sink = io.BytesIO()
    with (
        av.open(io.BytesIO(encoded(kinds[0]))) as one,
        av.open(io.BytesIO(encoded(kinds[1]))) as other,
        av.open(sink, "w", format="mp4") as target,
    ):
        stream = target.add_stream_from_template(one.streams.video[0])
        settings = other.streams.video[0].codec_context.extradata
        assert settings
        told = PacketSideData(packet_sidedata_type_from_literal("new_extradata"), len(settings))
        told.update(settings)
        for number, source in enumerate((one, other)):
            later = round(3 * number / source.streams.video[0].time_base)
            for packet in source.demux(video=0):
                if packet.dts is None:
                    continue
                if number and not packet.pts:
                    packet.set_sidedata(told)
                packet.pts, packet.dts = packet.pts + later, packet.dts + later
                packet.stream = stream
                target.mux_one(packet)
    return sink.getvalue()


def made(profile: Profile, url: str, span: Span, sources: OpenSources | None = None) -> object:
    """The segment, or why there is none."""
    try:
        if sources is None:
            with Path(url).open("rb") as file:
                return encode_file(profile, file, span, (64, 64))
        with sources.opened(url) as media:
            return profile.encode(media, span, (64, 64))
    except SampleError as error:
        return str(error)


@pytest.mark.parametrize("name", [*MP4S, *OTHERS])
def test_segments_do_not_depend_on_those_made_before(name: str, tmp_path: Path) -> None:
    url = source({**MP4S, **OTHERS}[name], tmp_path)
    alone = {span: made(COPY, url, span) for span in SPANS}
    assert len({str(one) for one in alone.values()}) > 5
    with OpenSources(kept=True) as sources:
        for span in random.Random(name).sample(SPANS * 2, 2 * len(SPANS)):
            assert made(COPY, url, span, sources) == alone[span], span


def test_segments_of_two_kinds_have_each_its_own_settings(tmp_path: Path) -> None:
    (tmp_path / "video").write_bytes(two_kinds_in_one())
    url = str(tmp_path / "video")
    within = [span for span in SPANS if span.stop_seconds <= 3]
    spans = [*SPANS, *(Span(s.start_seconds + 2.9, s.stop_seconds + 2.9) for s in within)]
    alone = {span: made(COPY, url, span) for span in spans}
    for segment in alone.values():
        assert isinstance(segment, EncodedSegment)
        with av.open(io.BytesIO(segment.media)) as stored:
            frames = sum(1 for _ in stored.decode(video=0))
        assert frames == round(segment.duration_seconds * PLAIN.fps)
    with OpenSources(kept=True) as sources:
        for span in random.Random(0).sample(spans * 2, 2 * len(spans)):
            assert made(COPY, url, span, sources) == alone[span], span


@pytest.mark.parametrize("name", [*MP4S, *OTHERS])
def test_an_mp4_to_be_copied_is_opened_once(
    name: str, files: list[BinaryIO], tmp_path: Path
) -> None:
    url = source({**MP4S, **OTHERS}[name], tmp_path)
    for profile, once in ((COPY, name in MP4S), (SMALL, False)):
        files.clear()
        with OpenSources(kept=profile.copies) as sources:
            for span in SPANS[:3]:
                made(profile, url, span, sources)
            assert len(files) == (1 if once else 3)
            assert files[-1].closed != once
        assert all(file.closed for file in files)


def test_what_is_kept_is_counted_and_open_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fragments are in no header; of HEVC the header does not say all, so it is opened again."""
    real, containers = container._opened, []

    def noted(stream: BinaryIO, *, unprobed: bool) -> InputContainer:
        containers.append(real(stream, unprobed=unprobed))
        return containers[-1]

    monkeypatch.setattr(container, "_opened", noted)
    with OpenSources(kept=True) as sources:
        for name in ("hevc", "all_in_fragments"):
            made(COPY, source(MP4S[name], tmp_path, name), SPANS[0], sources)
        assert all(one.num_entries > 90 for one in sources._kept.values())
        first, second = containers[:2]
        second.seek(0)
        with pytest.raises(AssertionError):
            first.seek(0)


def test_after_an_error_a_source_is_opened_anew(files: list[BinaryIO], tmp_path: Path) -> None:
    url = source(PLAIN, tmp_path)
    with OpenSources(kept=True) as sources:
        for _ in range(2):
            with pytest.raises(SampleError), sources.opened(url):
                raise SampleError("damaged")
            assert files[-1].closed
        assert made(COPY, url, SPANS[0], sources) == made(COPY, url, SPANS[0])
    assert len(files) == 3


@pytest.mark.parametrize("name", ["plain", "edit_list", "hevc", *OTHERS])
def test_a_remote_source_is_opened_from_memory_but_for_the_first_time(
    name: str, files: list[BinaryIO], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, remote = source({**MP4S, **OTHERS}[name], tmp_path), f"memory://opened/{name}"
    storage.write_bytes(remote, Path(path).read_bytes())
    read = count_reads(monkeypatch)
    with OpenSources(kept=False) as sources:
        for number, span in enumerate(SPANS[::5]):
            assert made(SMALL, remote, span, sources) == made(SMALL, path, span)
            assert bool(read) == (number == 0)
            read.clear()
        monkeypatch.setattr(heads, "MOST_BYTES", 0)
        for is_kept in (True, False):
            made(SMALL, remote, SPANS[0], sources)
            assert bool(read) != is_kept
            read.clear()


def count_reads(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Lengths of what is read of remote files while they are opened."""
    real, read = Heads.opening, []

    @contextmanager
    def opening(self: Heads, url: str, file: BinaryIO) -> Iterator[BinaryIO]:
        with real(self, url, file) as head:
            pieces = dict(head._pieces)
            yield head
            read.extend(size for at, size in head._pieces.keys() - pieces.keys())

    monkeypatch.setattr(Heads, "opening", opening)
    return read


@pytest.mark.parametrize("limit", ["MOST_SOURCES", "MOST_ENTRIES"])
def test_the_source_used_longest_ago_is_closed(
    limit: str, files: list[BinaryIO], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    a, b, c = (source(PLAIN, tmp_path, name) for name in "abc")
    with OpenSources(kept=True) as sources:
        with sources.opened(a) as media:
            entries = sum(stream.frames for stream in media.container.streams)
        assert entries > 90
        monkeypatch.setattr(opened, limit, 2 if limit == "MOST_SOURCES" else 2 * entries)
        for url in (b, a, c):
            made(COPY, url, SPANS[0], sources)
        assert [file.closed for file in files] == [False, True, False]
        made(COPY, a, SPANS[0], sources)
        assert len(files) == 3
