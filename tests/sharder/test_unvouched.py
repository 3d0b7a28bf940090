"""AVI and MPEG program streams say little of what they hold: damage in them, and none."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path

import av
import numpy as np
import pytest

from replai.core.errors import SampleError, UserError
from replai.core.timeline import Span
from replai.media.audio import audio_blocks
from sharder.encode import CopyProfile, Profile, TranscodeProfile, encode_file
from sharder.encoded import EncodedSegment
from sharder.plan import probe_source
from sharder.sources import Source
from tests.replai.media.synthetic import Recipe, encoded
from tests.sharder.test_encode import shown

COPY, SMALL = CopyProfile(), TranscodeProfile(short_side=48, fps=10)
SECONDS = 16
BASE = Recipe(
    width=96, height=64, fps=10, num_frames=10 * SECONDS, gop=10, noise=60,
    audio_seconds=SECONDS, audio_rate_hz=32000, audio_channels=1, channel_tones_hz=(440,),
)  # fmt: skip
AVI = replace(BASE, container="avi", codec="mpeg4")
PS = replace(BASE, container="mpeg", codec="mpeg2video", fps=25, num_frames=25 * SECONDS)
B_FRAMES = (("bf", "2"),)
UNEVEN = frozenset(i for i in range(10 * SECONDS) if i % 7 in (3, 4) or 40 < i < 48)
FILES = {
    "xvid.avi": replace(AVI, codec_options=B_FRAMES, audio_codec="libmp3lame"),
    "dolby.avi": replace(AVI, audio_codec="ac3"),
    "h264.avi": replace(AVI, codec="libx264", audio_codec="pcm_s16le"),
    "motion jpeg.avi": replace(AVI, codec="mjpeg", pix_fmt="yuvj420p", audio_codec="pcm_s16le"),
    "mpeg-1.mpg": replace(PS, codec="mpeg1video", audio_codec="mp2"),
    "mpeg-2.mpg": replace(PS, codec_options=B_FRAMES, audio_codec="mp2"),
}
HEALTHY = {
    **FILES,
    "dolby.mpg": replace(PS, audio_codec="ac3", codec_options=B_FRAMES),
    "dropped.avi": replace(FILES["dolby.avi"], dropped_frames=UNEVEN),
    "stereo.avi": replace(FILES["h264.avi"], audio_channels=2, channel_tones_hz=(440, 220)),
    "late sound.avi": replace(FILES["xvid.avi"], audio_start_seconds=1.0),
    "no sound.avi": replace(AVI, audio_codec=None),
    "no sound.mpg": replace(PS, audio_codec=None),
}
BEFORE, ACROSS, BEHIND = Span(0.0, 5.0), Span(5.6, 9.6), Span(11.5, 15.0)
DAMAGED_SECONDS = (6.6, 8.6)
SEEDS = range(12)
HARDLY_SEEN = {"h264.avi": 6}
"""How often of SEEDS: arithmetic coding of small pictures."""


@pytest.mark.parametrize("name", ["mpeg-2.mpg", "joined.ts"])
def test_a_clock_that_starts_anew_is_refused(name: str, tmp_path: Path) -> None:
    """Of two files joined end to end: moments of one would be cut from the other."""
    recipe = FILES["mpeg-2.mpg"]
    if name.endswith(".ts"):
        recipe = replace(recipe, container="mpegts")
    path = tmp_path / name
    path.write_bytes(encoded(recipe) + encoded(replace(recipe, audio_seconds=8, num_frames=200)))
    with pytest.raises(SampleError, match=r"its clock starts anew after 1[56]\.\d s"):
        list(audio_blocks(path.read_bytes()))
    with pytest.raises(SampleError, match="its clock starts anew"):
        encode_file(COPY, path.read_bytes(), Span(0.0, 15.9))


@cache
def whole(recipe: Recipe) -> bytes:
    return encoded(recipe)


def made(data: bytes, span: Span, profile: Profile = COPY) -> EncodedSegment:
    return encode_file(profile, io.BytesIO(data), span, (96, 64))


def refusal(data: bytes, span: Span, profile: Profile = COPY) -> str:
    """Why the segment is not made; empty if it is."""
    try:
        made(data, span, profile)
    except SampleError as error:
        return str(error)
    return ""


def chunks(data: bytes, kind: str) -> Iterator[tuple[float, int, int]]:
    """(seconds, place, bytes) of each packet of a file."""
    with av.open(io.BytesIO(data)) as container:
        stream = next(stream for stream in container.streams if stream.type == kind)
        for packet in container.demux(stream):
            if packet.size and packet.pos is not None:
                yield float(packet.dts * stream.time_base), packet.pos, packet.size


def spoilt(data: bytes, seed: int, num_bytes: int) -> bytes:
    """Noise that begins within one of the pictures of DAMAGED_SECONDS."""
    drawn, (low, high) = np.random.default_rng(seed), DAMAGED_SECONDS
    first = next(chunks(data, "video"))[0]
    pictures = [(at, size) for t, at, size in chunks(data, "video") if low <= t - first <= high]
    at, size = pictures[drawn.integers(len(pictures))]
    at += int(drawn.integers(size // 2))
    noise = drawn.integers(0, 256, num_bytes, np.uint8).tobytes()
    return data[:at] + noise + data[at + num_bytes :]


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize(("num_bytes", "missed"), [(200, HARDLY_SEEN), (3000, {})])
def test_noise_takes_one_span_of_a_copy(name: str, num_bytes: int, missed: dict[str, int]) -> None:
    """Not each time: there is noise that is a picture, to any decoder."""
    data = whole(FILES[name])
    clean = {span: made(data, span).media for span in (BEFORE, BEHIND)}
    told = []
    for seed in SEEDS:
        damaged = spoilt(data, seed, num_bytes)
        assert {span: made(damaged, span).media for span in clean} == clean
        told.append(refusal(damaged, ACROSS))
    assert all("damaged" in text for text in told if text)
    assert told.count("") <= missed.get(name, 0), told


@pytest.mark.parametrize("name", HEALTHY)
def test_whole_files_are_copied_whole(name: str) -> None:
    data = whole(HEALTHY[name])
    for start in np.arange(0.0, SECONDS - 2.5, 0.7):
        assert refusal(data, Span(start, start + 2.2)) == "", start


@pytest.mark.parametrize("profile", [COPY, SMALL, None], ids=["copy", "transcode", "detect"])
def test_the_sound_of_a_program_stream_has_no_gaps(profile: Profile | None) -> None:
    """FFmpeg gives some of its frames the time of the next: one of them was lost, or both."""
    data = whole(HEALTHY["dolby.mpg"])
    starts = np.arange(0.0, SECONDS - 2.5, 0.7)
    heard = [made(data, Span(at, at + 2.2), profile).media for at in starts] if profile else [data]
    for media in heard:
        sound = np.concatenate(list(audio_blocks(io.BytesIO(media))))[3200:-3200]
        loudest = np.abs(sound[: len(sound) // 160 * 160].reshape(-1, 160)).max(axis=1)
        assert loudest.min() > 0.3  # in each hundredth of a second


@pytest.mark.parametrize("profile", [COPY, SMALL], ids=["copy", "transcode"])
@pytest.mark.parametrize("kind", ["video", "audio"])
@pytest.mark.parametrize("name", [name for name in FILES if name.endswith("avi")])
def test_a_chunk_that_is_lost_is_missed(name: str, kind: str, profile: Profile) -> None:
    """FFmpeg goes on with the next, as if it had not been there: it decodes, or is silent."""
    data = whole(FILES[name])
    _, at, _ = next(chunk for chunk in chunks(data, kind) if chunk[0] > DAMAGED_SECONDS[0])
    lost = data[: at - 8] + b"\xff" * 8 + data[at:]
    assert f"its {kind} is damaged" in refusal(lost, ACROSS, profile)
    for span in (BEFORE, BEHIND):
        assert made(lost, span, profile) == made(data, span, profile)


def test_what_follows_a_lost_chunk_keeps_its_time() -> None:
    """It is read from the keyframe before; FFmpeg counts on, one too few."""
    data = whole(FILES["motion jpeg.avi"])
    at = next(at for t, at, _ in chunks(data, "video") if t > 7.0)
    lost = data[: at - 8] + b"\xff" * 8 + data[at:]
    behind = Span(7.35, 9.0)
    assert made(lost, behind) == made(data, behind)


def test_sound_that_comes_too_early_is_not_stored() -> None:
    """The chunk is lost between where a seek leads and the span."""
    recipe = replace(FILES["h264.avi"], gop=20)
    data = whole(recipe)
    at = [at for t, at, _ in chunks(data, "audio") if t > 6.3 and data[at - 8 : at - 4] == b"01wb"]
    lost = data
    for place in at[:4]:
        lost = lost[: place - 8] + b"\xff" * 8 + lost[place:]
    behind = Span(8.1, 9.0)
    assert "audio is damaged before" in refusal(lost, behind)


@pytest.mark.parametrize("profile", [COPY, SMALL], ids=["copy", "transcode"])
def test_frames_that_were_dropped_do_not_shift_those_behind(profile: Profile) -> None:
    """FFmpeg counts the empty chunks that stand for them once more, behind a seek."""
    data = whole(HEALTHY["dropped.avi"])
    truth = shown(data)
    for start in np.arange(0.5, SECONDS - 2.5, 0.5):
        segment = made(data, Span(start, start + 2.0), profile)
        stored = shown(segment.media)
        for ahead in np.arange(0.45, 1.5, 0.1):
            seconds = start - segment.start_seconds + ahead
            assert stored.at(seconds) == truth.at(start + ahead), (start, ahead)


@pytest.mark.parametrize("name", ["xvid.avi", "h264.avi"])
def test_an_index_that_is_lost_or_wrong_is_not_believed(name: str) -> None:
    data = whole(FILES[name])
    at = data.rindex(b"idx1")
    sizes = np.frombuffer(data, "<u4", offset=at + 8).copy()
    sizes[3::4] -= 1
    for odd in (data[:at], data[:at] + b"junk" + data[at + 4 :], data[: at + 8] + sizes.tobytes()):
        assert refusal(odd, BEFORE) == "" == refusal(odd, BEHIND)


@pytest.mark.parametrize("profile", [COPY, SMALL])
def test_pictures_of_a_program_stream_that_have_no_time_are_missed(profile: Profile) -> None:
    """Several small ones of H.264 share a time; those behind the first are made from it."""
    small = replace(PS, codec="libx264", audio_codec="mp2")
    assert "some of its pictures have no time" in refusal(whole(small), BEFORE, profile)
    assert "some of its pictures have no time" in refusal(whole(small), BEHIND, profile)


@pytest.mark.parametrize(
    ("container", "b_frames", "is_refused"),
    [("avi", 0, False), ("avi", 2, True), ("asf", 0, True), ("mp4", 2, False)],
)
def test_h264_is_refused_where_it_has_no_times(
    tmp_path: Path, container: str, b_frames: int, is_refused: bool
) -> None:
    recipe = replace(AVI, container=container, codec="libx264", b_frames=b_frames)
    recipe = replace(recipe, num_frames=30, audio_codec=None)
    path = tmp_path / "one"
    path.write_bytes(whole(recipe))
    named, found = (Source("one", str(path), is_named) for is_named in (True, False))
    if not is_refused:
        assert probe_source(named).facts and probe_source(found).facts
        return
    with pytest.raises(UserError, match=f"one: h264 in {container} has no times .* encode it anew"):
        probe_source(named)
    assert probe_source(found).problem.startswith("h264 in")


def test_a_length_that_no_recording_has_is_not_believed(tmp_path: Path) -> None:
    """One damaged time: the last picture of a second comes after days."""
    path = tmp_path / "one.mkv"
    data = whole(replace(BASE, container="matroska", num_frames=10, audio_codec=None))
    with av.open(io.BytesIO(data)) as source, av.open(str(path), "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        packets = [packet for packet in source.demux(video=0) if packet.dts is not None]
        for packet in packets:
            packet.stream = stream
            if packet is packets[-1]:
                assert packet.pts and packet.dts and packet.time_base
                days = round(5 * 24 * 3600 / packet.time_base)
                packet.pts, packet.dts = packet.pts + days, packet.dts + days
            target.mux(packet)
    with pytest.raises(UserError, match=r"one\.mkv: it would be 120 h long; of more than 100 h"):
        probe_source(Source("one", str(path), named=True))
    assert "120 h long" in probe_source(Source("one", str(path), named=False)).problem


@pytest.mark.parametrize("profile", [COPY, SMALL])
def test_what_a_mute_video_has_before_its_first_keyframe_is_missing(profile: Profile) -> None:
    """FFmpeg refuses to seek to before it."""
    recipe = replace(BASE, container="mp4", codec="libx264", audio_codec=None, gop=20)
    cut = io.BytesIO()
    with av.open(io.BytesIO(whole(recipe))) as source, av.open(cut, "w", "mp4") as sink:
        stream = sink.add_stream_from_template(source.streams.video[0])
        for packet in list(source.demux(source.streams.video[0]))[1:-1]:
            packet.stream = stream
            sink.mux(packet)
    for start, said in ((0.0, "nothing from 0.00 to 1.90 s"), (1.0, "from 1.00 to 1.90 s")):
        assert said in refusal(cut.getvalue(), Span(start, 3.0), profile)
    assert refusal(cut.getvalue(), Span(1.9, 3.0), profile) == ""
