"""Spans of which a part is lost are left out; what is stored covers its span."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import av
import pytest

from replai.core.errors import SampleError
from replai.core.timeline import Span
from sharder.encode import CopyProfile, Profile, TranscodeProfile, encode_file
from tests.replai.media.synthetic import Recipe, encoded
from tests.sharder.command import in_this_process
from tests.sharder.odd_sources import DOLBY, MPEG, VP9, Odd, hole, noise
from tests.sharder.test_pack import samples

SECONDS = 90
LONG = Recipe(
    width=32, height=32, fps=10, num_frames=10 * SECONDS, gop=10, audio_seconds=SECONDS,
    audio_rate_hz=16000, audio_channels=1,
)  # fmt: skip
SLOW = frozenset(i for i in range(10 * SECONDS) if i % 5)
"""Left out, so that each frame is shown for half a second."""
SPANS = [Span(max(at - 1.1, 0.0), min(at + 11.1, SECONDS)) for at in range(0, SECONDS, 10)]
PROFILES: dict[str, Profile] = {
    "copy": CopyProfile(),
    "transcode": TranscodeProfile(short_side=16, fps=4),
}
CLUSTERS = (("cluster_time_limit", "1000"),)
"""A second long: a damaged one is lost to its end."""


def stored_spans(data: bytes, profile: Profile) -> list[Span]:
    """Those of SPANS that can be made of `data`, and are what they should be."""
    kept = []
    for span in SPANS:
        try:
            made = encode_file(profile, io.BytesIO(data), span, (32, 32))
        except SampleError:
            continue
        stop = made.start_seconds + made.duration_seconds
        assert made.start_seconds <= span.start_seconds + 0.3, (span, made.start_seconds)
        assert stop >= span.stop_seconds - 1.0, (span, stop)
        kept.append(span)
    return kept


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("share", [0.30, 0.33, 0.36])
def test_spans_of_a_long_hole_are_left_out(share: float, profile: str) -> None:
    """Behind it the first packet may be one of sound, far past the span."""
    check_long_hole(encoded(replace(LONG, container="matroska")), share, profile)


@pytest.mark.parametrize("share", [0.33, 0.36])
def test_so_they_are_where_frames_are_shown_for_long(share: float) -> None:
    slow = replace(LONG, container="matroska", dropped_frames=SLOW)
    check_long_hole(encoded(slow), share, "copy")


def check_long_hole(data: bytes, share: float, profile: str) -> None:
    first, stop = int(len(data) * share), int(len(data) * (share + 0.4))
    holed = data[:first] + bytes(stop - first) + data[stop:]
    kept = stored_spans(holed, PROFILES[profile])
    lost = [span for span in SPANS if span.stop_seconds > 33 and span.start_seconds < 60]
    assert not set(kept) & set(lost)
    assert {SPANS[0], SPANS[1], SPANS[-1]} <= set(kept)


@pytest.mark.parametrize("container", ["flv", "matroska"])
@pytest.mark.parametrize("sound_seconds", [(0.0, 8.0), (17.0, 16.0)])
def test_frames_shown_for_long_are_no_holes_where_there_is_no_sound(
    sound_seconds: tuple[float, float], container: str
) -> None:
    """Which ends, or begins late. These containers do not tell for how long a frame is shown."""
    start, length = sound_seconds
    recipe = replace(LONG, container=container, num_frames=330, dropped_frames=SLOW)
    data = encoded(
        replace(recipe, audio_start_seconds=start, audio_seconds=length, chirp_seconds=())
    )
    for span in SPANS[:3]:
        assert encode_file(CopyProfile(), io.BytesIO(data), span, (32, 32)).media


@pytest.mark.parametrize("container", ["mp4", "matroska"])
def test_a_picture_whose_end_is_lost_is_not_copied(container: str) -> None:
    """A hole may reach the very end of a unit: an encoder ends none with zeros."""
    whole = encoded(replace(LONG, container=container, num_frames=30, audio_codec=None, noise=60))
    span = Span(0.0, 3.0)
    assert encode_file(CopyProfile(), io.BytesIO(whole), span, (32, 32)).media
    with av.open(io.BytesIO(whole)) as source:
        pictures = [bytes(packet) for packet in source.demux(video=0) if packet.size]
    for picture in pictures:
        assert len(picture) > 64 and whole.count(picture) == 1
        holed = whole.replace(picture, picture[:-40] + bytes(40))
        with pytest.raises(SampleError, match="video is damaged"):
            encode_file(CopyProfile(), io.BytesIO(holed), span, (32, 32))


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("container", ["mp4", "matroska"])
def test_pictures_that_are_padded_with_zeros_are_whole(container: str, profile: str) -> None:
    """As Annex B allows; what is made of it here counts them to the last unit's length."""
    recipe = replace(LONG, num_frames=30, audio_codec=None, noise=60)
    data = remuxed(remuxed(encoded(replace(recipe, container="mpegts")), "mpegts", 64), container)
    span = Span(0.0, 2.5)
    assert encode_file(PROFILES[profile], io.BytesIO(data), span, (32, 32)).media
    with av.open(io.BytesIO(data)) as source:
        picture = [bytes(packet) for packet in source.demux(video=0) if packet.size][7]
    aligned = remuxed(encoded(recipe), container, alignment=48)
    assert encode_file(PROFILES[profile], io.BytesIO(aligned), span, (32, 32)).media
    assert picture.endswith(bytes(64)) and data.count(picture) == 1
    holed = data.replace(picture, picture[:100] + bytes(40) + picture[140:])
    with pytest.raises(SampleError, match="video is damaged"):
        encode_file(PROFILES[profile], io.BytesIO(holed), span, (32, 32))


def remuxed(data: bytes, container: str, num_zeros: int = 0, alignment: int = 1) -> bytes:
    """The video of `data` in another container, with zeros behind each packet: so many, or up to a
    multiple of `alignment`, counted to the length of its only unit."""
    sink = io.BytesIO()
    with av.open(io.BytesIO(data)) as source, av.open(sink, "w", format=container) as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.pts is not None:
                padded = av.Packet(_aligned(bytes(packet), alignment) + bytes(num_zeros))
                padded.pts, padded.dts, padded.time_base = packet.pts, packet.dts, packet.time_base
                padded.is_keyframe, padded.stream = packet.is_keyframe, stream
                target.mux(padded)
    return sink.getvalue()


def _aligned(data: bytes, alignment: int) -> bytes:
    """Zeros behind the last unit, in its length; units behind lengths of four bytes."""
    if alignment == 1:
        return data
    at = last = 0
    while at < len(data):
        last, at = at, at + 4 + int.from_bytes(data[at : at + 4], "big")
    padding = -len(data) % alignment
    length = (len(data) - last - 4 + padding).to_bytes(4, "big")
    return data[:last] + length + data[last + 4 :] + bytes(padding)


@pytest.mark.parametrize("has_sound", [True, False])
def test_spans_behind_the_end_of_a_file_cut_off_are_left_out(has_sound: bool) -> None:
    """Its header, at its front, still tells of them. The cut falls between two packets."""
    sound = LONG.audio_codec if has_sound else None
    recipe = replace(LONG, audio_codec=sound, options=(("movflags", "faststart"),))
    whole = encoded(recipe)
    with av.open(io.BytesIO(whole)) as container:
        ends = sorted(p.pos + p.size for p in container.demux() if p.size and p.pos is not None)
    assert len(stored_spans(whole, CopyProfile())) == len(SPANS)
    for end in ends[len(ends) // 3 : -len(ends) // 3 : 23]:
        kept = stored_spans(whole[:end], CopyProfile())
        assert kept == SPANS[: len(kept)] and 2 <= len(kept) < len(SPANS) - 1


def test_so_they_are_where_no_frame_tells_how_long_it_is_shown() -> None:
    """The cut is behind a keyframe: who seeks there reads no sound at all."""
    whole = encoded(replace(LONG, container="matroska", gop=20))
    with av.open(io.BytesIO(whole)) as container:
        packets = [(p.pos, p.is_keyframe and p.stream.type == "video") for p in container.demux()]
    starts = sorted(pos for pos, _ in packets if pos is not None)
    key = [pos for pos, is_key in packets if is_key][15]
    cut = whole[: starts[starts.index(key) + 1]]
    for profile in PROFILES.values():
        kept = stored_spans(cut, profile)
        assert kept == SPANS[: len(kept)] and 2 <= len(kept) <= 3


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("damage", [hole, noise])
@pytest.mark.parametrize(
    ("recipe", "told"),
    [
        (replace(VP9, num_frames=120, options=CLUSTERS), "damaged: it holds nothing"),
        (replace(MPEG, num_frames=250), "its video is damaged"),
        (replace(DOLBY, num_frames=120), "its video is damaged at 7.10 s, by its index"),
    ],
    ids=["webm", "mpeg", "avi"],
)
def test_damage_in_the_middle_takes_one_span(
    recipe: Recipe, told: str, damage: Callable[[bytes, slice], bytes], profile: str
) -> None:
    """Their demuxers skip what is damaged and read on."""
    recipe = replace(recipe, audio_seconds=recipe.num_frames / recipe.fps)
    data = Odd("damaged", recipe, damage=damage).found(encoded(recipe))
    for span in (Span(0.0, 4.5), Span(8.5, 9.8)):
        assert encode_file(PROFILES[profile], io.BytesIO(data), span, (64, 48)).media
    with pytest.raises(SampleError, match=told):
        encode_file(PROFILES[profile], io.BytesIO(data), Span(3.5, 8.0), (64, 48))


def test_a_missing_end_is_counted_and_named(tmp_path: Path) -> None:
    """What is there is packed: of the rest a Matroska file tells nothing but its length."""
    recipe = replace(LONG, container="matroska", num_frames=300, audio_seconds=30.0)
    data = encoded(recipe)
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "cut.mkv").write_bytes(data[: len(data) * 2 // 3])
    (tmp_path / "in" / "whole.mkv").write_bytes(data)
    moments = tmp_path / "moments.csv"
    moments.write_text("video_id,seconds\ncut,5\ncut,25\nwhole,5\n")
    root = tmp_path / "root"
    done = in_this_process(
        "pack", tmp_path / "in", "--moments", moments, "--out", root, "--profile", "copy"
    )
    assert done.code == 0, done
    assert "the end of 1 sources is missing, by the length they state:" in done.lines
    (line,) = [line for line in done.lines if "in/cut.mkv: " in line]
    missing, kept = map(float, re.findall(r"([\d.]+) s", line))
    assert 15 < kept < 25 and missing + kept == pytest.approx(30.0, abs=0.1)
    stored = [r for r, _ in samples(root).values() if r.video_id == "cut"]
    assert max(r.start_seconds + r.duration_seconds for r in stored) == pytest.approx(kept, abs=0.2)
