"""Peaks: the same stretch by stretch as all at once, and never too close to each other."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import find_peaks

from sharder.peaks import apart, prominent_peaks


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 99), stretch=st.integers(1, 90), size=st.integers(1, 150))
def test_stretch_by_stretch_is_all_at_once(seed: int, stretch: int, size: int) -> None:
    curve = np.random.default_rng(seed).normal(size=300).astype(np.float32)
    pieces = [curve[at : at + size] for at in range(0, len(curve), size)]
    places, prominences = prominent_peaks(pieces, 0.5, window=21, stretch=stretch)
    expected, told = find_peaks(curve, prominence=0.5, wlen=21)
    np.testing.assert_array_equal(places, expected)
    np.testing.assert_array_equal(prominences, told["prominences"])


def test_no_curve_has_no_peaks() -> None:
    for curve in ([], [np.empty(0, np.float32)], [np.zeros(2, np.float32)]):
        assert [len(found) for found in prominent_peaks(curve, 1.0, 21, 60)] == [0, 0]


@settings(max_examples=100)
@given(st.lists(st.tuples(st.integers(0, 200), st.floats(1, 9)), unique_by=lambda p: p[0]))
def test_the_distance_rule(pairs: list[tuple[int, float]]) -> None:
    pairs.sort()
    peaks = np.array([p for p, _ in pairs], np.int64)
    heights = np.array([h for _, h in pairs])
    kept = apart(peaks, heights, 5.0)
    assert (np.diff(peaks[kept]) >= 5).all()
    for i in np.flatnonzero(~kept):
        near = kept & (np.abs(peaks - peaks[i]) < 5)
        assert heights[near].max() >= heights[i]
