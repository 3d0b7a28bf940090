"""Bursts: hits are found, all else is not, and chunking changes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from replai.core.record import Moment
from sharder.bursts import BurstConfig, burst_curve, detect_bursts
from tests.sharder import hits
from tests.sharder.hits import f1, hit_times

RATE = 44100
CONFIG = BurstConfig()
Samples = NDArray[np.float32]

noise = partial(hits.noise, rate=RATE)
with_hits = partial(hits.with_hits, rate=RATE)


def found_in(*blocks: Samples, rate: int = RATE) -> list[Moment]:
    return detect_bursts(blocks, rate, CONFIG)


def seconds_of(*blocks: Samples, rate: int = RATE) -> list[float]:
    return [moment.seconds for moment in found_in(*blocks, rate=rate)]


def limited(rises: NDArray[np.float64]) -> NDArray[np.float64]:
    return rises / np.sqrt(1 + (rises / 5) ** 2)


def curve_of(*blocks: Samples) -> Samples:
    return np.concatenate([np.empty(0, np.float32), *burst_curve(blocks, RATE, CONFIG)])


@pytest.mark.parametrize("rate", [16000, 22050, 44100, 48000])
def test_hits_in_noise_are_found_within_50_ms_at_every_rate(rate: int) -> None:
    times = hit_times(60)
    samples = hits.with_hits(hits.noise(60, rate=rate), times, rate=rate)
    assert f1(seconds_of(samples, rate=rate), times.tolist()) >= 0.95


def test_a_click_is_found_within_a_hop() -> None:
    samples = noise(12)
    for seconds in (1.234, 6.7, 11.111):
        samples[int(seconds * RATE)] += 1.0
    assert seconds_of(samples) == pytest.approx([1.234, 6.7, 11.111], abs=0.003)


def test_prominence_is_the_mean_rise_in_db_and_5_at_most() -> None:
    samples = noise(12)
    for seconds, gain in ((3.0, 2.0), (9.0, 100.0)):
        span = slice(int(seconds * RATE), int((seconds + 0.05) * RATE))
        samples[span] *= gain
    (weak, strong) = (moment.prominence or 0.0 for moment in found_in(samples))
    # Above the noise around, which scatters by a fraction of a dB.
    assert weak == pytest.approx(limited(np.array(20 * np.log10(2.0))), abs=1.0)
    assert 4.2 < strong <= 5.0


@pytest.mark.parametrize("level", [1e-6, 1e-4, 0.01, 0.2])
@pytest.mark.parametrize("rate", [16000, 44100])
def test_stationary_noise_has_no_moments(level: float, rate: int) -> None:
    assert found_in(hits.noise(40, level, rate=rate), rate=rate) == []


@pytest.mark.parametrize("num_samples", [0, 1, 255, 256, 384, 511, RATE, 25 * RATE])
def test_silence_and_an_offset_have_no_moments(num_samples: int) -> None:
    assert found_in(np.zeros(num_samples, np.float32)) == []
    assert found_in(np.full(num_samples, 0.3, np.float32)) == []


def test_no_blocks_and_empty_blocks() -> None:
    assert found_in() == []
    assert found_in(*[np.empty(0, np.float32)] * 3) == []


def test_an_offset_changes_nothing() -> None:
    samples = with_hits(noise(20), hit_times(20))
    assert seconds_of(samples + np.float32(0.2)) == pytest.approx(seconds_of(samples), abs=0.004)


def test_hits_are_found_in_sound_that_clips() -> None:
    times = hit_times(30)
    samples = np.clip(with_hits(noise(30, 0.05), times, gain=20.0), -1.0, 1.0)
    assert f1(seconds_of(samples), times.tolist()) >= 0.95


def test_what_is_no_number_counts_as_silence() -> None:
    samples = with_hits(noise(20), hit_times(20))
    holes, zeros = samples.copy(), samples.copy()
    for at, value in ((5.5, np.nan), (9.25, np.inf), (9.5, -np.inf)):
        span = slice(int(at * RATE), int(at * RATE) + 700)
        holes[span], zeros[span] = value, 0.0
    assert found_in(holes) == found_in(zeros) != []


@pytest.mark.parametrize("seed", range(8))
def test_a_loud_tone_is_no_burst(seed: int) -> None:
    samples = np.random.default_rng(seed).normal(0, 0.001, 12 * RATE).astype(np.float32)
    t = np.arange(RATE // 2) / RATE
    ramp = np.minimum(1.0, np.minimum(t, t[::-1]) / 0.02)
    for at in (2, 6, 9):
        samples[at * RATE : at * RATE + len(t)] += (
            0.5 * ramp * np.sin(2 * np.pi * 900 * t)
        ).astype(np.float32)
    assert found_in(samples) == []


def test_a_change_of_background_does_not_hide_hits() -> None:
    times = hit_times(60)
    samples = with_hits(noise(60), times)
    samples[30 * RATE :] *= 0.1
    assert f1(seconds_of(samples), times.tolist()) >= 0.95


def test_bands_without_sound_are_left_out() -> None:
    """As after sampling up from 16 kHz: nothing above 8 kHz."""
    times = hit_times(40)
    spectrum = np.fft.rfft(with_hits(noise(40), times))
    spectrum[8000 * 40 :] = 0
    samples = np.fft.irfft(spectrum).astype(np.float32)
    assert f1(seconds_of(samples), times.tolist()) >= 0.95


def test_hits_between_which_there_is_digital_silence() -> None:
    times = np.array([1.0, 2.5, 7.0])
    found = seconds_of(with_hits(np.zeros(9 * RATE, np.float32), times))
    assert found == pytest.approx(times.tolist(), abs=0.02)


@settings(max_examples=10, deadline=None)
@given(cuts=st.lists(st.integers(0, 14 * RATE), max_size=12), seconds=st.floats(0.004, 14.0))
def test_chunking_changes_no_bit(cuts: list[int], seconds: float) -> None:
    samples = with_hits(noise(14), hit_times(14))[: int(seconds * RATE)]
    pieces = np.split(samples, sorted(min(cut, len(samples)) for cut in cuts))
    np.testing.assert_array_equal(curve_of(*pieces), curve_of(samples))
    assert found_in(*pieces) == found_in(samples)


def test_the_curve_equals_a_frame_by_frame_computation() -> None:
    samples = with_hits(noise(8.2), hit_times(8.2))
    ends = np.minimum(np.arange(256), 255 - np.arange(256)) + 0.5
    window = np.where(ends < 32, 0.5 - 0.5 * np.cos(np.pi * ends / 32), 1.0)
    rows = []
    for at in range(0, len(samples) - 255, 128):
        power = np.abs(np.fft.rfft(samples[at : at + 256].astype(float) * window)) ** 2
        bands = [power[1 + 4 * b : 5 + 4 * b].mean() for b in range(32)]
        rows.append(10 * np.log10(np.array(bands) / np.sum(window**2) + 1e-7))
    levels, a_second = np.array(rows), round(RATE / 128)
    blocks = [levels[at : at + a_second] for at in range(0, len(levels), a_second)]
    medians = [np.sort(block, 0)[len(block) // 2] for block in blocks]
    expected = []
    for i, row in enumerate(levels):
        near = medians[max(i // a_second - 5, 0) : i // a_second + 6]
        floor = np.sort(near, 0)[len(near) // 2]
        expected.append(limited(np.maximum(row - floor, 0)).mean())
    np.testing.assert_allclose(curve_of(samples), expected, atol=2e-3)


def test_memory_does_not_grow_with_the_sound() -> None:
    """The curve comes as the sound goes: half a normalisation window and a block behind."""
    read = 0

    def blocks() -> Iterator[Samples]:
        nonlocal read
        for _ in range(40):
            read += 1
            yield noise(1.0)

    for number, _ in enumerate(burst_curve(blocks(), RATE, CONFIG)):
        assert read <= number + 8


@pytest.mark.parametrize(
    "wrong",
    [
        {"norm_window_seconds": 9.0},
        {"num_bands": 33},
        {"num_bands": 0},
        {"floor_db": float("nan")},
        {"most_rise_db": 0.0},
        {"min_prominence": 0.0},
        {"min_distance_seconds": -1.0},
        {"prominence_window_seconds": 0.0},
    ],
)
def test_a_config_that_makes_no_sense_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError):
        BurstConfig(**wrong)  # type: ignore[arg-type]
