"""Stored segments show and sound what the source does at the same time, in both profiles."""

from __future__ import annotations

import io
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cache

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from replai.core.errors import SampleError, UserError
from replai.core.record import AudioFacts
from replai.core.timeline import Span
from replai.media.audio import SoundRequest
from replai.media.decode import read_views
from replai.media.probe import probe
from replai.media.scale import Geometry
from replai.media.video import ClipRequest
from sharder.encode import CopyProfile, Profile, TranscodeProfile, encode_file
from sharder.encoded import EncodedSegment
from sharder.sound import SoundKind
from tests.replai.media.synthetic import (
    CHIRP_RATE_HZ,
    Recipe,
    chirp_lag_seconds,
    encoded,
    frames_of,
    number,
    numbered,
)

WHOLE = Geometry(0, 0, 64, 64, 64, 64, False)
CHIRPS = (0.4, 0.9, 1.4, 1.9, 2.4)
TRANSCODE = TranscodeProfile(short_side=64, fps=16, audio_rate_hz=48000, audio_kbit_per_channel=64)
PROFILES: dict[str, Profile] = {"copy": CopyProfile(), "transcode": TRANSCODE}
SPANS = (Span(0.0, 1.3), Span(0.83, 2.11), Span(1.21, 2.31), Span(1.6, 3.0))

PLAIN = Recipe(chirp_seconds=CHIRPS)
SOURCES = {
    "plain": PLAIN,
    "b_frames": replace(PLAIN, b_frames=3),
    "one_gop": replace(PLAIN, b_frames=2, gop=90),
    "late_audio": replace(PLAIN, b_frames=2, audio_start_seconds=0.3, audio_rate_hz=48000),
    "early_audio": replace(PLAIN, video_start_seconds=0.5, audio_start_seconds=-0.2),
    "edit_list": replace(PLAIN, b_frames=2, video_start_seconds=-0.5),
    "mpegts": replace(PLAIN, container="mpegts", b_frames=2),
    "mpegts_late": replace(
        PLAIN, container="mpegts", video_start_seconds=3.0, audio_start_seconds=0.2
    ),
    "matroska": replace(PLAIN, container="matroska", b_frames=2),
    "fragmented": replace(PLAIN, options=(("movflags", "frag_keyframe+delay_moov"),), b_frames=2),
    "mono_pcm": replace(PLAIN, container="mov", audio_codec="pcm_s16le", audio_channels=1),
}


@dataclass(frozen=True)
class Shown:
    """Every frame of a file: its time on the file's clock, and the number it carries."""

    seconds: list[Fraction]
    numbers: list[int]

    def at(self, seconds: float) -> int:
        """Number on screen at `seconds`; before the first frame, the first."""
        late = [i for i, at in enumerate(self.seconds) if float(at) > seconds + 1e-6]
        return self.numbers[max((late[0] if late else len(self.seconds)) - 1, 0)]


def shown(data: bytes) -> Shown:
    """By decoding everything from the start."""
    with av.open(io.BytesIO(data)) as container:
        frames = list(container.decode(video=0))
    times = [frame.pts * frame.time_base for frame in frames]
    numbers = [number(frame.to_ndarray(format="rgb24")) for frame in frames]
    return Shown([time - times[0] for time in times], numbers)


@cache
def source(name: str) -> bytes:
    return encoded(SOURCES[name])


@cache
def source_shown(name: str) -> Shown:
    return shown(source(name))


@cache
def stored(name: str, profile: str, span: Span) -> EncodedSegment:
    return encode_file(PROFILES[profile], io.BytesIO(source(name)), span)


def heard(data: bytes, seconds: float) -> NDArray[np.float32]:
    """The first `seconds` of the sound at CHIRP_RATE_HZ; float32 [n]."""
    request = SoundRequest(0.0, int(seconds * CHIRP_RATE_HZ), CHIRP_RATE_HZ)
    return read_views(data, [], [request])[1][0].samples[0]


everything = pytest.mark.parametrize(
    ("name", "profile", "span"),
    [(name, profile, span) for name in SOURCES for profile in PROFILES for span in SPANS],
)


@everything
def test_a_segment_covers_its_span(name: str, profile: str, span: Span) -> None:
    segment = stored(name, profile, span)
    assert segment.start_seconds <= span.start_seconds + 1e-6
    end = segment.start_seconds + segment.duration_seconds
    assert end >= min(span.stop_seconds, probe(source(name)).duration_seconds) - 1e-3
    facts = probe(segment.media)
    assert facts.duration_seconds == pytest.approx(segment.duration_seconds, abs=0.002)


@everything
def test_frames_are_the_sources_at_the_same_time(name: str, profile: str, span: Span) -> None:
    segment, truth = stored(name, profile, span), source_shown(name)
    step = 1 / 16 if profile == "transcode" else 1 / 30
    centres = np.arange(round(segment.duration_seconds / step)) * step + step / 2
    # What an edit list hides at the source's start a copy may show.
    centres = centres[segment.start_seconds + centres >= 0]
    # One moment of the mp4 a request: what is asked is which frame it shows there.
    clips = [ClipRequest(float(t) - step / 2, step, 1, WHOLE) for t in centres]
    views = read_views(segment.media, clips, [])[0]
    expected = [truth.at(segment.start_seconds + float(t)) for t in centres]
    assert [number(frames_of(view)[0]) for view in views] == expected


@everything
def test_sound_is_the_sources_at_the_same_time(name: str, profile: str, span: Span) -> None:
    segment, recipe = stored(name, profile, span), SOURCES[name]
    chirps = [s + min(recipe.video_start_seconds, 0.0) for s in CHIRPS]
    inside = [s for s in chirps if span.start_seconds + 0.1 <= s <= span.stop_seconds - 0.15]
    assert inside
    samples = heard(segment.media, segment.duration_seconds)
    # Matroska rounds every time to a millisecond, before anybody reads it.
    tolerance = 0.0015 if recipe.container == "matroska" else 0.001
    for seconds in inside:
        assert abs(chirp_lag_seconds(samples, seconds - segment.start_seconds)) < tolerance


@pytest.mark.parametrize("name", ["plain", "late_audio", "mono_pcm"])
def test_sound_of_a_lower_rate_is_still_in_step(name: str) -> None:
    recipe, span = SOURCES[name], SPANS[1]
    profile = TranscodeProfile(short_side=64, fps=16, audio_rate_hz=16000)
    segment = encode_file(profile, io.BytesIO(source(name)), span)
    facts = AudioFacts(sample_rate_hz=16000, channels=recipe.audio_channels)
    assert segment.audio == probe(segment.media).audio == facts
    samples = heard(segment.media, segment.duration_seconds)
    inside = [s for s in CHIRPS if span.start_seconds + 0.1 <= s <= span.stop_seconds - 0.15]
    assert inside
    for seconds in inside:
        assert abs(chirp_lag_seconds(samples, seconds - segment.start_seconds)) < 0.001


def test_sound_is_never_stored_at_a_higher_rate_than_its_own() -> None:
    profile = TranscodeProfile(short_side=64, fps=16, audio_rate_hz=48000)
    segment = encode_file(profile, io.BytesIO(source("plain")), SPANS[1])
    assert segment.audio.sample_rate_hz == SOURCES["plain"].audio_rate_hz == 44100


def test_a_rate_that_aac_does_not_know_is_stored_at_the_next_lower_one() -> None:
    rates = (192000, 44100, 44000, 8000, 6000)
    stored_rates = [SoundKind("mono", 1, rate, 48000).stored_rate_hz for rate in rates]
    assert stored_rates == [48000, 44100, 32000, 8000, 8000]


@pytest.mark.parametrize("name", SOURCES)
def test_sound_keeps_its_rate_and_its_channels(name: str) -> None:
    recipe = SOURCES[name]
    for profile in PROFILES:
        segment = stored(name, profile, SPANS[0])
        facts = AudioFacts(sample_rate_hz=recipe.audio_rate_hz, channels=recipe.audio_channels)
        assert segment.audio == probe(segment.media).audio == facts


def test_the_copy_profile_keeps_the_packets() -> None:
    for name in ("plain", "b_frames", "one_gop", "late_audio"):
        for span in SPANS:
            segment = stored(name, "copy", span)
            for kind in ("video", "audio"):
                source_packets, kept = packets(source(name), kind), packets(segment.media, kind)
                starts = range(len(source_packets) - len(kept) + 1)
                assert len(kept) >= 20
                assert any(source_packets[i : i + len(kept)] == kept for i in starts)


@pytest.mark.parametrize("container", ["mp4", "mpegts"])
def test_no_frame_of_a_copy_leans_on_what_is_not_there(container: str) -> None:
    data = open_gops(container)
    for span in SPANS[1:]:
        segment = encode_file(CopyProfile(), io.BytesIO(data), span)
        with av.open(io.BytesIO(segment.media)) as stored_media:
            kept = [p for p in stored_media.demux(video=0) if p.size]
        assert kept[0].is_keyframe
        assert min(p.pts for p in kept if p.pts is not None) == kept[0].pts


def test_the_copy_profile_starts_at_the_last_keyframe() -> None:
    for name in ("plain", "b_frames", "mpegts"):
        for span in SPANS:
            keyframe = int(span.start_seconds * 30 + 1e-6) // 12 * 12 / 30
            assert stored(name, "copy", span).start_seconds == pytest.approx(keyframe, abs=1e-4)


@pytest.mark.parametrize("container", ["mp4", "mpegts"])
@pytest.mark.parametrize("profile", PROFILES)
def test_leading_frames_of_open_gops_are_kept_inside_and_left_out_at_the_start(
    profile: str, container: str
) -> None:
    data, step = open_gops(container), {"copy": 1 / 30, "transcode": 1 / 16}[profile]
    truth = shown(data)
    for span in (Span(0.5, 1.19), Span(1.21, 2.0), Span(0.81, 1.59), Span(1.0, 1.195)):
        segment = encode_file(PROFILES[profile], io.BytesIO(data), span)
        centres = np.arange(round(segment.duration_seconds / step)) * step + step / 2
        clips = [ClipRequest(float(t) - step / 2, step, 1, WHOLE) for t in centres]
        numbers = [number(frames_of(view)[0]) for view in read_views(segment.media, clips, [])[0]]
        assert numbers == [truth.at(segment.start_seconds + float(t)) for t in centres]


def open_gops(container: str) -> bytes:
    """90 numbered frames whose GOPs of 12 lean on the GOP before."""
    sink = io.BytesIO()
    x264 = "open-gop=1:keyint=12:min-keyint=12:bframes=3:b-adapt=0:scenecut=0"
    with av.open(sink, "w", format=container) as out:
        stream = out.add_stream("libx264", rate=30, options={"x264-params": x264})
        stream.width = stream.height = 64
        for index in range(90):
            pixels = numbered(index, 64, 64)
            out.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        out.mux(stream.encode(None))
    return sink.getvalue()


def packets(data: bytes, kind: str) -> list[bytes]:
    with av.open(io.BytesIO(data)) as container:
        stream = container.streams.best(kind)
        return [bytes(p) for p in container.demux(stream) if p.size]


@pytest.mark.parametrize("duration", [1.0, 1.28, 1.3])
def test_a_transcoded_segment_has_a_frame_a_slot(duration: float) -> None:
    segment = encode_file(TRANSCODE, io.BytesIO(source("b_frames")), Span(0.7, 0.7 + duration))
    times = shown(segment.media).seconds
    assert times == [Fraction(i, 16) for i in range(int(np.ceil(duration * 16)))]
    assert segment.duration_seconds == len(times) / 16
    assert probe(segment.media).video == segment.video
    assert (segment.video.fps, segment.video.codec) == (16.0, "h264")


@pytest.mark.parametrize("gop", [1, 5])
def test_transcoded_gops_have_the_asked_length(gop: int) -> None:
    profile = TranscodeProfile(short_side=64, fps=10, gop_frames=gop)
    segment = encode_file(profile, io.BytesIO(source("one_gop")), Span(0.0, 2.0))
    with av.open(io.BytesIO(segment.media)) as container:
        keys = [frame.key_frame for frame in container.decode(video=0)]
    assert len(keys) == 20
    assert all(any(keys[i : i + gop]) for i in range(20 - gop + 1))


@pytest.mark.parametrize("profile", PROFILES)
def test_the_same_span_gives_the_same_bytes(profile: str) -> None:
    again = encode_file(PROFILES[profile], io.BytesIO(source("b_frames")), SPANS[1])
    assert again == stored("b_frames", profile, SPANS[1])


def test_nothing_inexact_is_asked_of_the_encoder() -> None:
    """With its macroblock tree x264 gave other bytes once in ten times, on some processors."""
    media = stored("b_frames", "transcode", SPANS[1]).media
    assert b"mbtree=0" in media and b" threads=1 " in media


@pytest.mark.parametrize("profile", PROFILES)
def test_video_without_sound(profile: str) -> None:
    data = encoded(replace(PLAIN, audio_codec=None))
    segment = encode_file(PROFILES[profile], io.BytesIO(data), SPANS[1])
    assert segment.audio == AudioFacts(sample_rate_hz=0, channels=0)
    assert probe(segment.media).audio is None
    truth = shown(data)
    clip = ClipRequest(0.0, 1.0, 16, WHOLE)
    numbers = [number(frame) for frame in frames_of(read_views(segment.media, [clip], [])[0][0])]
    assert numbers == [truth.at(segment.start_seconds + (i + 0.5) / 16) for i in range(16)]


@pytest.mark.parametrize("profile", PROFILES)
def test_an_audio_stream_without_a_packet_is_no_sound(profile: str) -> None:
    data = encoded(replace(PLAIN, container="mpegts", audio_seconds=0.0, chirp_seconds=()))
    segment = encode_file(PROFILES[profile], io.BytesIO(data), SPANS[1])
    assert segment.audio == AudioFacts(sample_rate_hz=0, channels=0)
    assert probe(segment.media).audio is None


def test_a_copy_of_a_span_without_sound_has_none() -> None:
    data = encoded(Recipe(audio_seconds=1.0, chirp_seconds=()))
    found = encode_file(CopyProfile(), io.BytesIO(data), Span(2.0, 3.0))
    assert found.audio == AudioFacts(sample_rate_hz=0, channels=0)
    assert probe(found.media).audio is None


@pytest.mark.parametrize("profile", PROFILES)
def test_sound_without_video_is_no_segment(profile: str) -> None:
    data = encoded(replace(PLAIN, num_frames=0))
    with pytest.raises(SampleError, match="no video"):
        encode_file(PROFILES[profile], io.BytesIO(data), SPANS[0])


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("num_frames", [1, 2, 3])
def test_videos_of_a_few_frames(profile: str, num_frames: int) -> None:
    data = encoded(replace(PLAIN, num_frames=num_frames, audio_seconds=0.1, chirp_seconds=()))
    span = Span(0.0, probe(data).duration_seconds)
    segment = encode_file(PROFILES[profile], io.BytesIO(data), span)
    assert segment.duration_seconds >= span.duration_seconds - 1e-6
    slots = round(segment.duration_seconds * segment.video.fps)
    clip = ClipRequest(0.0, segment.duration_seconds, slots, WHOLE)
    expected = [shown(data).at(float(t)) for t in clip.frame_seconds]
    assert [
        number(frame) for frame in frames_of(read_views(segment.media, [clip], [])[0][0])
    ] == expected


@pytest.mark.parametrize(
    ("size", "short_side", "expected"),
    [
        ((66, 50), 256, (66, 50)),
        ((320, 180), 90, (160, 90)),
        ((180, 320), 90, (90, 160)),
        ((854, 480), 256, (456, 256)),
        ((322, 182), 33, (58, 32)),
        ((512, 16), 16, (512, 16)),
    ],
)
def test_sizes_are_even_and_never_grow(
    size: tuple[int, int], short_side: int, expected: tuple[int, int]
) -> None:
    width, height = size
    data = encoded(replace(PLAIN, width=width, height=height, num_frames=8, audio_codec=None))
    profile = TranscodeProfile(short_side=short_side, fps=16)
    segment = encode_file(profile, io.BytesIO(data), Span(0.0, 0.25))
    facts = probe(segment.media).video
    assert facts is not None and facts == segment.video
    assert (facts.width, facts.height) == expected


def test_an_odd_size_becomes_even_when_transcoded_and_stays_when_copied() -> None:
    data = odd_sized(45, 33)
    with io.BytesIO(data) as file:
        copied = encode_file(CopyProfile(), file, Span(0.0, 0.5))
    made = encode_file(TRANSCODE, io.BytesIO(data), Span(0.0, 0.5))
    assert (copied.video.width, copied.video.height) == (45, 33)
    assert (made.video.width, made.video.height) in {(44, 32), (44, 34), (46, 32), (46, 34)}
    assert probe(made.media).video == made.video
    assert probe(copied.media).video == copied.video


def odd_sized(width: int, height: int) -> bytes:
    sink = io.BytesIO()
    with av.open(sink, "w", format="matroska") as out:
        stream = out.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for _ in range(6):
            pixels = np.full((height, width, 3), 90, np.uint8)
            out.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        out.mux(stream.encode(None))
    return sink.getvalue()


@pytest.mark.parametrize("container", ["matroska", "mpegts", "mp4"])
def test_a_transcoded_tone_has_no_seams(container: str) -> None:
    """Containers that store times in milliseconds must not cut the sound at every packet."""
    segment = encode_file(TRANSCODE, io.BytesIO(tone(container)), Span(0.5, 1.5))
    samples = heard(segment.media, 1.0)[1600:-1600].astype(float)
    t = np.arange(len(samples)) / CHIRP_RATE_HZ
    basis = np.stack([np.sin(2 * np.pi * 440 * t), np.cos(2 * np.pi * 440 * t)], axis=1)
    rest = samples - basis @ np.linalg.lstsq(basis, samples, rcond=None)[0]
    assert np.abs(samples).max() > 0.3
    assert np.abs(rest).max() < 0.1


def tone(container: str) -> bytes:
    """Two seconds of 440 Hz at 44.1 kHz beside a few grey frames."""
    sink = io.BytesIO()
    with av.open(sink, "w", format=container) as out:
        video, audio = out.add_stream("libx264", rate=10), out.add_stream("aac", rate=44100)
        video.width = video.height = 64
        audio.layout = "mono"
        for _ in range(20):
            grey = np.full((64, 64, 3), 128, np.uint8)
            out.mux(video.encode(av.VideoFrame.from_ndarray(grey, format="rgb24")))
        wave = 0.5 * np.sin(2 * np.pi * 440 * np.arange(88200) / 44100).astype(np.float32)
        for at in range(0, len(wave), 1024):
            frame = av.AudioFrame.from_ndarray(wave[None, at : at + 1024], "fltp", "mono")
            frame.sample_rate, frame.pts, frame.time_base = 44100, at, Fraction(1, 44100)
            out.mux(audio.encode(frame))
        out.mux(video.encode(None))
        out.mux(audio.encode(None))
    return sink.getvalue()


def test_a_codec_that_mp4_cannot_hold_names_the_remedy() -> None:
    data = encoded(
        replace(PLAIN, container="webm", codec="libvpx", audio_codec="libopus", audio_rate_hz=48000)
    )
    with pytest.raises(SampleError, match="--profile transcode"):
        encode_file(CopyProfile(), io.BytesIO(data), SPANS[0])
    segment = encode_file(TRANSCODE, io.BytesIO(data), SPANS[1])
    lag = chirp_lag_seconds(heard(segment.media, 1.2), 1.4 - SPANS[1].start_seconds)
    assert abs(lag) < 0.0015


@pytest.mark.parametrize("profile", PROFILES)
def test_damage_is_a_sample_error(profile: str) -> None:
    data = bytearray(source("plain"))
    del data[len(data) // 3 :]
    with pytest.raises(SampleError):
        encode_file(PROFILES[profile], io.BytesIO(bytes(data)), SPANS[1])


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"short_side": 15}, "short_side is 15"),
        ({"fps": 0}, "fps is 0"),
        ({"crf": 52}, "crf"),
        ({"audio_rate_hz": 16001}, "audio_rate_hz is 16001, AAC knows 8000"),
    ],
)
def test_a_profile_that_makes_no_sense_is_refused(wrong: dict[str, int], named: str) -> None:
    with pytest.raises(UserError, match=named):
        TranscodeProfile(**wrong)
