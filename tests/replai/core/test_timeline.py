import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from replai.core.timeline import Span, slot_centres

seconds = st.floats(-1e5, 1e5)


@given(seconds, st.floats(1e-3, 1e4), st.integers(1, 64))
def test_slots_are_as_many_as_asked_for_and_inside(
    start: float, duration: float, count: int
) -> None:
    centres = slot_centres(start, duration, count)
    assert centres.shape == (count,)
    assert centres.dtype == np.float64
    assert start < centres[0]
    assert centres[-1] < start + duration
    assert np.allclose(np.diff(centres), duration / count, atol=1e-9)
    assert math.isclose(centres.mean(), start + duration / 2, abs_tol=1e-6)


@given(seconds)
def test_half_a_second_at_16_fps_is_8_frames_always(start: float) -> None:
    assert len(slot_centres(start, (start + 0.5) - start, 8)) == 8
    assert slot_centres(0.0, 0.5, 8).tolist() == [(i + 0.5) / 16 for i in range(8)]


def test_no_duration() -> None:
    assert slot_centres(1.0, 0.0, 3).tolist() == [1.0, 1.0, 1.0]


@given(seconds, seconds, seconds)
def test_span_is_half_open(start: float, stop: float, time: float) -> None:
    assume(start <= stop)
    span = Span(start, stop)
    assert span.duration_seconds >= 0
    assert span.contains(time) == (start <= time < stop)
    assert not span.contains(stop)
    clipped = span.clip(time)
    assert start <= clipped <= stop
    assert (clipped == time) == (start <= time <= stop)


@pytest.mark.parametrize(("start", "stop"), [(1.0, 0.5), (math.nan, 1.0), (0.0, math.nan)])
def test_spans_that_make_no_sense(start: float, stop: float) -> None:
    with pytest.raises(ValueError, match="ends before it starts"):
        Span(start, stop)
