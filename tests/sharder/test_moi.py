"""The paper's moments of interaction: clicks are found, noise is not, chunks change nothing."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from sharder.logmel import mel_filters
from sharder.moi import MoiConfig, detect_moments, energy_curve
from tests.sharder import hits
from tests.sharder.hits import f1, hit_times

RATE = 16000
CONFIG = MoiConfig()


noise = partial(hits.noise, rate=RATE)
with_hits = partial(hits.with_hits, rate=RATE)


def curve_of(blocks: list[NDArray[np.float32]]) -> NDArray[np.float32]:
    return np.concatenate([np.empty(0, np.float32), *energy_curve(blocks, CONFIG)])


def seconds_of(samples: NDArray[np.float32], config: MoiConfig = CONFIG) -> list[float]:
    return [m.seconds for m in detect_moments([samples], config)]


def test_hits_in_noise_are_found_within_50_ms() -> None:
    times = hit_times(60)
    found = detect_moments([with_hits(noise(60), times)], CONFIG)
    assert f1([m.seconds for m in found], times.tolist()) >= 0.9
    assert all(m.prominence is not None and m.prominence >= 1.0 for m in found)


def test_a_click_is_found_within_a_hop() -> None:
    samples = noise(12)
    for seconds in (1.234, 6.7, 11.111):
        samples[int(seconds * RATE)] += 1.0
    assert seconds_of(samples) == pytest.approx([1.234, 6.7, 11.111], abs=0.0051)


def test_a_change_of_background_does_not_hide_hits() -> None:
    times = hit_times(60)
    samples = with_hits(noise(60), times)
    samples[30 * RATE :] *= 0.1
    assert f1(seconds_of(samples), times.tolist()) >= 0.9


@pytest.mark.parametrize("level", [1e-6, 1e-3, 0.01, 0.2])
def test_stationary_noise_has_no_moments(level: float) -> None:
    assert detect_moments([noise(60, level)], CONFIG) == []


@pytest.mark.parametrize("num_samples", [0, 1, 399, 400, 719, 720, RATE, 25 * RATE])
def test_silence_of_any_length_has_no_moments(num_samples: int) -> None:
    assert detect_moments([np.zeros(num_samples, np.float32)], CONFIG) == []
    assert detect_moments([np.full(num_samples, 0.3, np.float32)], CONFIG) == []


def test_what_is_below_the_floor_of_power_is_silence() -> None:
    samples = noise(20, 1e-6)
    samples[RATE::RATE] += 1e-4
    assert detect_moments([samples], CONFIG) == []


def test_no_blocks_and_empty_blocks() -> None:
    assert detect_moments([], CONFIG) == []
    assert detect_moments([np.empty(0, np.float32)] * 3, CONFIG) == []


def test_one_hit_in_a_sound_shorter_than_the_normalisation_window() -> None:
    assert seconds_of(with_hits(noise(0.8), np.array([0.4]))) == pytest.approx([0.4], abs=0.02)


@settings(max_examples=12, deadline=None)
@given(cuts=st.lists(st.integers(0, 14 * RATE), max_size=12), seconds=st.floats(0.02, 14.0))
def test_chunking_changes_no_bit(cuts: list[int], seconds: float) -> None:
    samples = with_hits(noise(14), hit_times(14))[: int(seconds * RATE)]
    pieces = np.split(samples, sorted(min(c, len(samples)) for c in cuts))
    np.testing.assert_array_equal(curve_of(pieces), curve_of([samples]))
    assert detect_moments(pieces, CONFIG) == detect_moments([samples], CONFIG)


@pytest.mark.parametrize("size", [1, 160, 16000, 16240])
def test_chunks_of_one_size_change_no_bit(size: int) -> None:
    samples = with_hits(noise(7), hit_times(7))[: 3 * RATE if size == 1 else None]
    pieces = [samples[at : at + size] for at in range(0, len(samples), size)]
    np.testing.assert_array_equal(curve_of(pieces), curve_of([samples]))


def test_the_curve_equals_a_frame_by_frame_computation() -> None:
    samples = with_hits(noise(13.5), hit_times(13.5))
    log_mel = CONFIG.log_mel
    window = 0.5 - 0.5 * np.cos(2 * np.pi * (np.arange(400) + 0.5) / 400)
    rows = []
    for at in range(0, len(samples) - 399, 160):
        power = np.abs(np.fft.rfft(samples[at : at + 400].astype(float) * window, 512)) ** 2
        rows.append(np.log10(power @ mel_filters(log_mel) + 1e-5))
    bands = np.array(rows)
    expected = []
    for i, row in enumerate(bands):
        ends = [bands[max(b - 5, 0) * 100 : (b + 5) * 100] for b in (i // 100, i // 100 + 1)]
        part = i % 100 / 100
        mean = ends[0].mean(0) * (1 - part) + ends[1].mean(0) * part
        deviation = np.maximum(ends[0].std(0), 0.1) * (1 - part)
        deviation += np.maximum(ends[1].std(0), 0.1) * part
        expected.append(((row - mean) / deviation).mean())
    np.testing.assert_allclose(curve_of([samples]), expected, atol=2e-4)


def test_moments_do_not_depend_on_what_is_far_away() -> None:
    samples = with_hits(noise(40), hit_times(40))
    other = samples.copy()
    other[30 * RATE :] = 0
    near, same = seconds_of(samples), seconds_of(other)
    assert [s for s in near if s < 23] == [s for s in same if s < 23] != []


def test_of_two_hits_less_than_50_ms_apart_the_stronger_stays() -> None:
    samples = noise(10)
    for seconds, gain in ((3.0, 0.3), (3.04, 1.0), (6.0, 0.3), (6.08, 1.0)):
        samples[int(seconds * RATE)] += gain
    assert seconds_of(samples) == pytest.approx([3.04, 6.0, 6.08], abs=0.0051)


def test_peaks_below_the_least_prominence_are_ignored() -> None:
    samples = with_hits(noise(30), np.arange(1, 29, 2.0), gain=0.03)
    all_found = detect_moments([samples], CONFIG)
    middle = float(np.median([m.prominence or 0.0 for m in all_found]))
    strict = MoiConfig(min_prominence=middle)
    expected = [m for m in all_found if (m.prominence or 0.0) >= middle]
    assert detect_moments([samples], strict) == expected
    assert 0 < len(expected) < len(all_found)


def test_every_band_has_a_bin() -> None:
    filters = mel_filters(CONFIG.log_mel)
    assert filters.shape == (257, 80)
    assert (filters.max(axis=0) > 0.3).all()


@pytest.mark.parametrize(
    "wrong",
    [
        {"norm_window_seconds": 9.0},
        {"min_deviation": 0.0},
        {"num_bands": 300},
        {"hop_seconds": 0.0},
        {"prominence_window_seconds": 0.01},
    ],
)
def test_a_config_that_makes_no_sense_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError):
        MoiConfig(**wrong)  # type: ignore[arg-type]


def test_flat_silence_between_hits_is_no_moment_and_no_warning() -> None:
    times = np.array([2.0, 30.0, 33.0])  # silence longer than any window in between
    samples = with_hits(np.zeros(40 * RATE, np.float32), times)
    found = [moment.seconds for moment in detect_moments([samples], CONFIG)]
    assert len(found) == 3 and np.abs(np.array(found) - times).max() < 0.05
