"""Sources that stay open give the bytes of those that are opened for each span; few stay so."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

import pytest

from replai.core import storage
from replai.core.errors import SampleError
from replai.core.timeline import Span
from sharder import opened
from sharder.encode import CopyProfile, Profile, TranscodeProfile, encode_file
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


def test_after_an_error_a_source_is_opened_anew(files: list[BinaryIO], tmp_path: Path) -> None:
    url = source(PLAIN, tmp_path)
    with OpenSources(kept=True) as sources:
        for _ in range(2):
            with pytest.raises(SampleError), sources.opened(url):
                raise SampleError("damaged")
            assert files[-1].closed
        assert made(COPY, url, SPANS[0], sources) == made(COPY, url, SPANS[0])
    assert len(files) == 3


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
