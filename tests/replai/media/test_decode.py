"""read_views against decoding everything, on files whose frames carry their number."""

from __future__ import annotations

import io
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from replai.core.errors import SampleError
from replai.media import container, video
from replai.media.audio import SoundRequest
from replai.media.container import open_media, open_sample
from replai.media.decode import read_views
from replai.media.packets import read_packets
from replai.media.scale import Geometry
from replai.media.video import ClipRequest
from tests.replai.media.synthetic import Recipe, chirp_lag_seconds, encoded, frames_of, number

WHOLE = Geometry(0, 0, 64, 64, 64, 64, False)

FILES = {
    "plain": Recipe(),
    "b_frames": Recipe(b_frames=3, gop=60),
    "b_frames_offset": Recipe(b_frames=2, gop=8, video_start_seconds=0.5, audio_start_seconds=-0.1),
    "matroska": Recipe(container="matroska", b_frames=2, fps=25, num_frames=75),
    "matroska_late": Recipe(container="matroska", video_start_seconds=0.5),
    "mov_pcm": Recipe(container="mov", audio_codec="pcm_s16le", fps=24, num_frames=72),
    "variable_rate": Recipe(b_frames=2, dropped_frames=frozenset(range(20, 31)) | {40, 42, 43, 70}),
    "fragmented": Recipe(options=(("movflags", "frag_keyframe+delay_moov"),), b_frames=2),
    "edit_list": Recipe(b_frames=2, video_start_seconds=-0.5),
    "mpegts": Recipe(container="mpegts", b_frames=2),
    "no_audio": Recipe(audio_codec=None, fps=16, num_frames=48, gop=8),
}


def oracle(data: bytes) -> list[tuple[Fraction, int]]:
    """(seconds, number) of every frame, by decoding everything in order."""
    with av.open(io.BytesIO(data)) as container:
        frames = list(container.decode(video=0))
    shown = [(f.pts * f.time_base, number(f.to_ndarray(format="rgb24"))) for f in frames]
    return [(seconds - shown[0][0], n) for seconds, n in shown]


def on_screen(frames: list[tuple[Fraction, int]], seconds: float) -> int:
    """Number of the last frame at or before `seconds`, of the first if there is none."""
    chosen = frames[0][1]
    for at, index in frames:
        if at <= seconds:
            chosen = index
    return chosen


def numbers(clip: NDArray[np.uint8]) -> list[int]:
    return [number(frame) for frame in frames_of(clip)]


@pytest.fixture(scope="module")
def plain() -> bytes:
    return encoded(FILES["plain"])


@pytest.mark.parametrize("name", FILES)
def test_frames_are_those_on_screen_at_the_slots_centres(name: str) -> None:
    data = encoded(FILES[name])
    frames = oracle(data)
    rng = np.random.default_rng(0)
    starts = [-0.7, -0.2, 0.0, 0.013, 2.45, 2.8, 4.0, *rng.uniform(0, 2.5, 25)]
    for start in starts:
        later = start + float(rng.uniform(0, 1.2))
        clips = [ClipRequest(s, 0.5, 8, WHOLE) for s in (later, start)]
        for clip, view in zip(clips, read_views(data, clips, [])[0], strict=True):
            assert view.shape == (3, 8, 64, 64) and view.dtype == np.uint8
            assert view.flags.c_contiguous
            wanted = [on_screen(frames, s) for s in clip.frame_seconds]
            assert numbers(view) == wanted, f"start {clip.start_seconds}"


@pytest.mark.parametrize("name", FILES)
def test_a_sample_opens_as_any_file_does(name: str) -> None:
    data = encoded(FILES[name])
    with open_media(data) as any_file, open_sample(data) as sample:
        assert sample.origin == any_file.origin
        for one, other in ((sample.video, any_file.video), (sample.audio, any_file.audio)):
            assert (one is None) == (other is None)
            if one is not None and other is not None:
                assert (one.index, one.time_base) == (other.index, other.time_base)
                assert one.start_time == other.start_time


def test_a_stored_sample_is_opened_once_and_not_probed(
    plain: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[bool] = []
    opened = container._opened
    monkeypatch.setattr(
        container,
        "_opened",
        lambda f, unprobed: (calls.append(unprobed), opened(f, unprobed=unprobed))[1],
    )
    with open_sample(plain) as media:
        assert media.video is not None
        assert media.video.codec_context.format is None  # a probe would have decoded a frame
    assert calls == [True]
    with open_sample(encoded(FILES["fragmented"])) as media:
        assert media.video is not None
        assert media.video.codec_context.format is not None
    assert calls == [True, True, False]


def test_a_frames_own_time_as_a_float_finds_that_frame(plain: bytes) -> None:
    for index in range(90):
        clip = ClipRequest(index / 30 - 0.05, 0.1, 1, WHOLE)
        assert numbers(read_views(plain, [clip], [])[0][0]) == [index]


def test_only_gops_with_wanted_frames_are_decoded(
    plain: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = []
    decoded_run = video._decoded_run
    monkeypatch.setattr(
        video, "_decoded_run", lambda c, p, w: (runs.append(len(p)), decoded_run(c, p, w))[1]
    )
    clips = [ClipRequest(s, 0.1, 1, WHOLE) for s in (0.4, 2.4)]  # frames 13 and 73, GOPs of 12
    assert [numbers(v) for v in read_views(plain, clips, [])[0]] == [[13], [73]]
    assert runs == [2, 2]


def test_one_call_for_all_views_equals_a_call_a_view() -> None:
    data = encoded(FILES["b_frames"])
    crop = Geometry(7.3, 3.9, 40.2, 50.5, 32, 24, True)
    clips = [ClipRequest(0.3, 0.5, 8, WHOLE), ClipRequest(0.5, 0.5, 8, crop)]
    sounds = [SoundRequest(s, 8000, 16000) for s in (0.7, 0.9, -0.2)]
    views, heard = read_views(data, clips, sounds)
    again, heard_again = read_views(data, clips, sounds)
    for clip, view, same in zip(clips, views, again, strict=True):
        np.testing.assert_array_equal(view, same)
        np.testing.assert_array_equal(view, read_views(data, [clip], [])[0][0])
    for request, sound, same in zip(sounds, heard, heard_again, strict=True):
        np.testing.assert_array_equal(sound.samples, same.samples)
        alone = read_views(data, [], [request])[1][0]
        np.testing.assert_allclose(sound.samples, alone.samples, atol=1e-6)


SOUNDS = {
    "aac 44.1": (Recipe(), 0.2),
    "aac 48": (Recipe(audio_rate_hz=48000), 0.2),
    "aac 22.05 mono": (Recipe(audio_rate_hz=22050, audio_channels=1), 0.2),
    "aac 16": (Recipe(audio_rate_hz=16000), 0.2),
    "late": (Recipe(audio_start_seconds=0.25), 1.0),
    "early": (Recipe(audio_start_seconds=-0.25), 1.0),
    "matroska": (Recipe(container="matroska", video_start_seconds=0.5), 1.0),
    "opus": (Recipe(container="matroska", audio_codec="libopus", audio_rate_hz=48000), 1.1),
    "pcm": (Recipe(container="mov", audio_codec="pcm_s16le"), 0.1),
    "no video": (Recipe(num_frames=0), 0.1),
}


@pytest.mark.parametrize("name", SOUNDS)
def test_sound_is_aligned(name: str) -> None:
    recipe, tolerance_ms = SOUNDS[name]
    data = encoded(recipe)
    for start in (0.0, 0.5, 0.8123457, 1.6180339):
        sound = read_views(data, [], [SoundRequest(start, 20000, 16000)])[1][0]
        assert sound.samples.shape == (1, 20000) and sound.samples.dtype == np.float32
        assert np.abs(sound.samples).max() <= 1.0
        for seconds in recipe.chirp_seconds:
            if start + 0.05 < seconds < start + 1.1:
                lag_ms = 1e3 * chirp_lag_seconds(sound.samples[0], seconds - start)
                assert abs(lag_ms) < tolerance_ms


def test_a_window_sounds_as_in_the_middle_of_a_longer_one(plain: bytes) -> None:
    whole = read_views(plain, [], [SoundRequest(0.0, 48000, 16000)])[1][0].samples[0]
    for first in (15520, 16160, 16320, 16480):  # before a chirp, and in the midst of it
        request = SoundRequest(first / 16000, 8000, 16000)
        part = read_views(plain, [], [request])[1][0].samples[0]
        np.testing.assert_allclose(part, whole[first : first + 8000], atol=5e-4)


def test_an_impulse_stays_where_it_is() -> None:
    from replai.media.mono import resampled

    for rate in (8000, 11025, 22050, 32000, 44100, 48000, 96000):
        signal = np.zeros(rate, np.float32)
        signal[rate // 3] = 1.0
        out = np.concatenate(list(resampled(np.array_split(signal, 7), rate, 16000)))
        centre = (np.arange(len(out)) * out).sum() / out.sum() / 16000
        assert abs(centre - (rate // 3) / rate) < 1e-4
        assert abs(len(out) - 16000) <= 2


def test_coverage_is_the_share_of_the_window_with_audio(plain: bytes) -> None:
    requests = [SoundRequest(s, 16000, 16000) for s in (-0.25, 1.0, 2.5, -3.0, 9.0)]
    sounds = read_views(plain, [], requests)[1]
    assert [round(s.coverage, 1) for s in sounds] == [0.8, 1.0, 0.5, 0.0, 0.0]
    assert not sounds[0].samples[0, :3900].any()
    silent = read_views(encoded(FILES["no_audio"]), [], requests)[1]
    assert all(s.coverage == 0 and not s.samples.any() for s in silent)


def test_a_clip_of_a_file_without_video_is_refused() -> None:
    with pytest.raises(SampleError, match="no video"):
        read_views(encoded(Recipe(num_frames=0)), [ClipRequest(0, 0.5, 8, WHOLE)], [])


VIEWS = ([ClipRequest(1.0, 0.5, 8, WHOLE)], [SoundRequest(0.5, 16000, 16000)])


FAST_START = Recipe(options=(("movflags", "faststart"),), b_frames=2)
FRAGMENTED = FILES["fragmented"]


@pytest.mark.parametrize("recipe", [Recipe(), FAST_START, FRAGMENTED, Recipe(container="matroska")])
def test_a_truncated_file_gives_the_right_views_or_an_error(recipe: Recipe) -> None:
    data = encoded(recipe)
    (view,), (sound,) = read_views(data, *VIEWS)
    refused = 0
    for size in np.linspace(0, len(data) - 1, 80, dtype=int).tolist():
        try:
            (cut_view,), (cut_sound,) = read_views(data[:size], *VIEWS)
        except SampleError as error:
            assert "\n" not in str(error)
            refused += 1
        else:
            np.testing.assert_array_equal(cut_view, view)
            np.testing.assert_array_equal(cut_sound.samples, sound.samples)
    assert refused > 20


def test_damaged_bytes_raise_nothing_but_sample_error() -> None:
    data = np.frombuffer(encoded(Recipe(num_frames=45, audio_seconds=1.5)), np.uint8)
    rng = np.random.default_rng(0)
    refused = 0
    for _ in range(120):
        damaged = data.copy()
        at = rng.integers(0, len(data), rng.integers(1, 30))
        damaged[at] = rng.integers(0, 256, len(at))
        try:
            (view,), (sound,) = read_views(damaged.tobytes(), *VIEWS)
        except SampleError:
            refused += 1
        else:
            assert view.shape == (3, 8, 64, 64) and np.isfinite(sound.samples).all()
    assert refused > 10


def test_frames_that_a_damaged_packet_spoils_are_refused() -> None:
    recipe = Recipe(num_frames=45, audio_codec=None, gop=60, noise=40)
    data = encoded(recipe)
    with av.open(io.BytesIO(data)) as container:
        packets = [p for p in container.demux(video=0) if p.size]
        hit = next(p for p in packets if p.pts * p.time_base > 0.5)
    middle = hit.pos + hit.size // 2
    damaged = data[:middle] + bytes(200) + data[middle + 200 :]
    before, after = (ClipRequest(s, 0.1, 2, WHOLE) for s in (0.2, 1.0))
    np.testing.assert_array_equal(
        read_views(damaged, [before], [])[0][0], read_views(data, [before], [])[0][0]
    )
    with pytest.raises(SampleError):
        read_views(damaged, [after], [])


def test_no_other_file_is_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "other.mp4").write_bytes(encoded(Recipe()))
    with pytest.raises(SampleError):
        read_views(b"ffconcat version 1.0\nfile other.mp4\n", *VIEWS)


def test_packets_far_from_the_views_are_not_kept(plain: bytes) -> None:
    with open_media(plain) as media:
        packets = read_packets(media, 1.7, 1.9, video=True, audio=True)
    assert len(packets.video) < 50 and 0 < len(packets.audio) < 80


@pytest.mark.parametrize(
    "data",
    [b"", b"\0" * 4000, b"#EXTM3U\n#EXTINF:1,\nfile:///etc/hostname\n", b"ffconcat version 1.0\n"],
)
def test_what_is_not_media_or_names_other_files_is_refused(data: bytes) -> None:
    with pytest.raises(SampleError):
        read_views(data, *VIEWS)
