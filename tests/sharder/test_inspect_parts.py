"""The parts of `sharder inspect` that decide or read: each against an oracle."""

from __future__ import annotations

import io
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure
from numpy.typing import NDArray

from replai.core.record import Action, Moment
from replai.core.timeline import Span
from replai.media.container import open_media
from replai.media.probe import probe
from sharder.bursts import BurstConfig
from sharder.detect import detect_in_source
from sharder.detectors import Config
from sharder.inspect.closeup import read_closeup, read_picture
from sharder.inspect.distributions_picture import Histogram, distributions_picture
from sharder.inspect.hearing import LOG_MEL, MOST_COLUMNS, Curve, _Pool, pooled_spectrogram
from sharder.inspect.ink import band_of, clock, spread
from sharder.inspect.looking import Given, look_at
from sharder.inspect.overview_picture import _lanes, _show_hearing, shortened
from sharder.inspect.sound import loudness_db, wav
from sharder.inspect.view import View, chosen, strongest_stretch
from sharder.moi import MoiConfig
from sharder.sources import find_sources
from tests.replai.media.synthetic import encoded, number
from tests.sharder.conftest import CHIRPS, RECIPE


def moment(seconds: float, prominence: float | None) -> Moment:
    return Moment(seconds=seconds, prominence=prominence)


@pytest.mark.parametrize("rate", [16000, 44100])
@pytest.mark.parametrize("config", [BurstConfig(), BurstConfig(min_prominence=0.3), MoiConfig()])
def test_the_same_moments_as_detect(config: Config, rate: int, tmp_path: Path) -> None:
    recipe = replace(RECIPE, num_frames=0, audio_rate_hz=rate, audio_seconds=8.0)
    (tmp_path / "s.m4a").write_bytes(encoded(recipe))
    (source,) = find_sources([str(tmp_path / "s.m4a")], with_audio_files=True)
    found = look_at(source, Given(), config, 1).found
    assert found.moments == detect_in_source(source, config).moments
    hearing = found.hearing
    assert hearing is not None and len(found.moments) >= len(CHIRPS)
    for moment in found.moments:  # each stands on its peak
        near = hearing.curve.within(Span(moment.seconds - 0.02, moment.seconds + 0.02))
        assert hearing.curve.at(moment.seconds) == near.values.max()
    loudest = hearing.spectrogram.values.max(1).argmax() / len(hearing.spectrogram.values)
    span = hearing.spectrogram.span
    at = span.start_seconds + loudest * span.duration_seconds
    assert min(abs(at - seconds) for seconds in CHIRPS) < 0.06


@pytest.mark.parametrize("sizes", [[7], [100] * 9, [1] * 40, [33, 250, 5, 100]])
def test_a_pool_holds_means(sizes: list[int]) -> None:
    frames = np.random.default_rng(0).random((sum(sizes), 3), dtype=np.float32)
    pool = _Pool(16, 3)
    starts = np.cumsum([0, *sizes[:-1]])
    blocks = [frames[start : start + size] for start, size in zip(starts, sizes, strict=True)]
    for block in blocks:
        pool.add(block)
    columns, size = pool.columns()
    assert 8 <= len(columns) <= 16 or size == 1
    assert len(columns) == len(frames) // size
    for number_, column in enumerate(columns):
        mean = frames[number_ * size : (number_ + 1) * size].mean(0)
        np.testing.assert_allclose(column, mean, rtol=1e-5)


def test_a_day_of_sound_is_a_picture() -> None:
    pool, block = _Pool(MOST_COLUMNS, 2), np.zeros((10_000, 2), np.float32)
    for _ in range(864):
        pool.add(block)
        assert len(pool._columns) <= MOST_COLUMNS and len(pool._waiting) < 2 * len(block)


def test_a_closeup_shows_the_right_frames(media: dict[str, bytes]) -> None:
    facts = probe(media["chirping"])  # 10 frames a second, numbered
    with open_media(io.BytesIO(media["chirping"])) as opened:
        late = read_closeup(opened, facts, 4.51, 4, 64)
        early = read_closeup(opened, facts, 1.51, 2, 64)
        picture = read_picture(opened, facts, 6.05, 64)
    assert [number(frame) for frame in late.before] == [39, 40, 42, 43]
    assert [number(frame) for frame in late.after] == [46, 47, 49, 50]
    assert [number(frame) for frame in early.after] == [17, 19]
    assert picture is not None and number(picture) == 60
    loudest = float(np.abs(late.samples).argmax()) / 16000
    assert late.samples.shape == (32000,) and loudest == pytest.approx(1.02, abs=0.03)
    assert (late.problem, early.problem) == ("", "")


def test_the_most_prominent_are_chosen() -> None:
    moments = [moment(t, p) for t, p in ((1, 2.0), (2, 9.0), (3, 1.0), (4, 5.0))]
    assert [m.seconds for m in chosen(moments, 2)] == [2, 4]
    assert list(chosen(moments, 9)) == moments
    unranked = [moment(t, None) for t in range(10)]
    assert [m.seconds for m in chosen(unranked, 4)] == [0, 3, 6, 9]
    assert chosen([], 3) == ()


@given(
    st.lists(st.tuples(st.floats(0, 100), st.floats(1, 9)), min_size=1, max_size=30),
    st.sampled_from([5.0, 20.0, 99.0]),
)
def test_the_strongest_stretch(points: list[tuple[float, float]], seconds: float) -> None:
    moments = [moment(t, p) for t, p in sorted(points)]
    whole = Span(0.0, 100.0)
    stretch = strongest_stretch(moments, whole, seconds)
    assert stretch.duration_seconds == pytest.approx(seconds)
    assert whole.start_seconds <= stretch.start_seconds <= stretch.stop_seconds <= 100.0 + 1e-9
    inside = sum(m.prominence or 0 for m in moments if stretch.contains(m.seconds))
    assert inside >= max(m.prominence or 0 for m in moments) or moments[-1].seconds > 99.9


@given(st.lists(st.floats(0, 10), max_size=9), st.floats(0.01, 1.0))
def test_numbers_do_not_overlap(places: list[float], least: float) -> None:
    moved = spread(sorted(places), least, 0.0, 10.0)
    assert all(b - a >= least - 1e-9 for a, b in pairwise(moved))
    assert all(0.0 - 1e-9 <= place <= 10.0 + 1e-9 for place in moved)
    apart = np.diff(sorted(places))
    if len(apart) and apart.min() >= least:
        assert moved == pytest.approx(sorted(places))


def test_actions_get_lanes() -> None:
    def action(start: float, stop: float) -> Action:
        return Action(
            start_seconds=start, stop_seconds=stop, verb="v", noun="n", verb_class=0, noun_class=0
        )

    apart, over, past = [action(0, 1), action(1, 2)], action(0.5, 1.5), action(9, 10)
    assert _lanes([*apart, past], Span(0, 5)) == [apart]
    assert _lanes([*apart, over], Span(0, 5)) == [apart, [over]]
    assert len(_lanes([over] * 9, Span(0, 5))) == 3


def test_words_that_do_not_fit_are_cut() -> None:
    assert shortened("open door", 9) == "open door"
    assert shortened("open door", 6) == "open …"
    assert shortened("open door", 3) == ""


@pytest.mark.parametrize(("given", "why"), [(True, "none was given"), (False, "no peak rises by")])
def test_a_picture_without_a_moment_says_why(*, given: bool, why: str) -> None:
    axes = Figure().add_subplot()
    curve = Curve(np.zeros(10, np.float32), 0.0, 0.1)
    _show_hearing(axes, View("", Span(0, 1), [], None, curve, [], {}, [], given), BurstConfig())
    assert f"no moment: {why}" in " ".join(text.get_text() for text in axes.texts)


def test_a_unit_is_no_formula() -> None:
    """It comes from a dataset's header; `$x^$` is a formula that does not parse."""
    histogram = Histogram("prominence", "prominence, $x^$", "moments", [1.0, 2.0])
    assert distributions_picture("a title", [histogram], []).size


def test_frequencies_lie_on_their_bands() -> None:
    places: NDArray[np.float64] = band_of(np.array([100, 1000, 4000, 7500]))
    assert np.all(np.diff(places) > 0) and places[0] > 0 and places[-1] < LOG_MEL.num_bands
    tone = np.sin(2 * np.pi * 1000 * np.arange(32000) / 16000).astype(np.float32)
    loudest = pooled_spectrogram([tone]).values.mean(0).argmax()
    assert abs(loudest + 0.5 - places[1]) <= 1.0


def test_a_curve_is_cut_with_its_neighbours() -> None:
    curve = Curve(np.arange(10, dtype=np.float32), 0.5, 0.1)
    near = curve.within(Span(0.75, 0.95))
    assert near.values.tolist() == [2, 3, 4, 5]
    assert near.seconds == pytest.approx([0.7, 0.8, 0.9, 1.0])
    assert len(curve.within(Span(5.0, 6.0)).values) == len(curve.within(Span(0, 0.1)).values) == 0
    assert (curve.at(0.81), curve.at(0.1), curve.at(9.0)) == (3.0, 0.0, 0.0)


def test_sound_and_time_as_text() -> None:
    assert (clock(59.6), clock(61), clock(3725)) == ("1:00", "1:01", "1:02:05")
    assert loudness_db(0.5) == pytest.approx(-3.01, abs=0.01) and loudness_db(0.0) == -np.inf
    samples = np.array([0.0, 1.0, -1.0], np.float32)
    assert np.frombuffer(wav(samples, 16000)[44:], "<i2").tolist() == [0, 32767, -32767]
