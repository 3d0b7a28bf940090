"""The arithmetic of benchmarks/detect.py, and the released detector made anew."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.detectors import quality, speed
from benchmarks.detectors.quality import matched
from benchmarks.detectors.released import released
from benchmarks.detectors.sounds import Heard


def test_each_true_time_has_a_found_one_of_its_own() -> None:
    assert matched([1.0], [0.98, 1.02]) == pytest.approx([0.02])
    assert matched([1.0, 2.0], [1.06, 2.04]) == pytest.approx([-0.04])
    assert matched([0.97, 1.03], [1.0, 1.07]) == pytest.approx([-0.03, -0.04])
    assert matched([], [1.0]) == matched([1.0], []) == []


@given(*[st.lists(st.integers(0, 40), unique=True, max_size=8).map(sorted)] * 2)
def test_no_matching_has_more_pairs(found: list[int], truth: list[int]) -> None:
    def most(found: list[int], truth: list[int]) -> int:
        if not found or not truth:
            return 0
        near = abs(found[0] - truth[0]) <= 4
        paired = 1 + most(found[1:], truth[1:]) if near else 0
        return max(paired, most(found[1:], truth), most(found, truth[1:]))

    seconds = [[0.0124 * time for time in times] for times in (found, truth)]
    assert len(matched(*seconds)) == most(found, truth)


def test_f1_is_taken_over_all_seeds() -> None:
    sounds = [
        Heard(0, "10db", False, np.zeros(9, np.float32), (1.0, 2.0)),
        Heard(1, "10db", False, np.zeros(9, np.float32), (1.0,)),
        Heard(0, "medium", True, np.zeros(9, np.float32), (5.0,)),
    ]
    rows = quality.heard_by_all(sounds, {"": lambda *_: [1.01], "none_": lambda *_: []})
    assert quality.figures(rows) == {
        "f1_10db": 4 / 5,
        "none_f1_10db": 0.0,
        "coded_f1_medium": 0.0,
        "coded_none_f1_medium": 0.0,
    }


def test_ratios_are_taken_within_a_round_then_the_median() -> None:
    times = {name: [1.0, 2.0, 3.0] for name in ("paper", "audio_blocks", "detector")}
    found = speed.figures({**times, "bare": [1.0, 1.0, 2.0], "detect": [1.0, 2.0, 2.4]})
    assert found["detect_over_audio_decode"] == pytest.approx(1.2)
    assert found["detect_realtime_per_core"] == pytest.approx(240 / 2.0)


def test_the_released_detector_finds_hits_in_every_piece() -> None:
    rate = 44100
    samples = 0.01 * np.random.default_rng(0).standard_normal(25 * rate).astype(np.float32)
    times = [3.0, 9.9, 13.0, 22.0]
    for time in times:
        samples[int(time * rate) : int((time + 0.02) * rate)] *= 100
    assert released(samples, rate) == pytest.approx([time + 0.01 for time in times], abs=0.015)
