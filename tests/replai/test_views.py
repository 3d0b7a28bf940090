import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replai.views import AudioView, VideoView, View, reach

BEFORE = VideoView(name="before", start_seconds=-0.6, duration_seconds=0.5, num_frames=8)
AFTER = VideoView(name="after", start_seconds=0.1, duration_seconds=0.5, num_frames=8)
AUDIO = AudioView(name="audio", start_seconds=-1.0, duration_seconds=2.0)


def test_paper_views() -> None:
    assert BEFORE.fps == 16
    assert BEFORE.stop_seconds == pytest.approx(-0.1)
    assert AUDIO.num_samples == 32000
    assert AUDIO.stop_seconds == 1.0


def test_samples_round_to_nearest() -> None:
    view = AudioView(name="a", start_seconds=0, duration_seconds=0.29, sample_rate_hz=100)
    assert 0.29 * 100 < 29  # floor would lose one
    assert view.num_samples == 29


def test_reach_of_paper_views() -> None:
    assert reach([BEFORE, AFTER]) == pytest.approx((0.6, 0.6))
    assert reach([BEFORE, AFTER, AUDIO]) == (1.0, 1.0)


def test_reach_on_one_side_or_of_nothing() -> None:
    assert reach([]) == (0.0, 0.0)
    assert reach([BEFORE]) == (0.6, 0.0)
    assert reach([AFTER]) == (0.0, pytest.approx(0.6))


windows = st.builds(
    AudioView,
    name=st.just("a"),
    start_seconds=st.floats(-9, 9),
    duration_seconds=st.floats(0.01, 9),
)


@given(st.lists(windows, min_size=1))
def test_reach_covers_every_window_and_no_more(views: list[View]) -> None:
    before, after = reach(views)
    assert before >= 0
    assert after >= 0
    assert all(-before <= v.start_seconds and v.stop_seconds <= after for v in views)
    assert before == 0 or any(v.start_seconds == -before for v in views)
    assert after == 0 or any(v.stop_seconds == after for v in views)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": ""}, "name="),
        ({"start_seconds": math.nan}, "start_seconds=nan"),
        ({"duration_seconds": 0.0}, r"duration_seconds=0\.0"),
        ({"duration_seconds": math.inf}, "duration_seconds=inf"),
    ],
)
def test_windows_that_make_no_sense(change: dict[str, object], message: str) -> None:
    good: dict[str, object] = {"name": "v", "start_seconds": 0.0, "duration_seconds": 1.0}
    with pytest.raises(ValueError, match=message):
        VideoView(**{**good, "num_frames": 8, **change})  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=message):
        AudioView(**{**good, **change})  # type: ignore[arg-type]


def test_counts_below_one() -> None:
    with pytest.raises(ValueError, match="num_frames=0"):
        VideoView(name="v", start_seconds=0, duration_seconds=1, num_frames=0)
    with pytest.raises(ValueError, match="sample_rate_hz=0"):
        AudioView(name="a", start_seconds=0, duration_seconds=1, sample_rate_hz=0)
    with pytest.raises(ValueError, match="must hold a sample"):
        AudioView(name="a", start_seconds=0, duration_seconds=1e-6)
