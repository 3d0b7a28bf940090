from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from replai.core.errors import UserError
from replai.stream.sampling import At, SamplingConfig, anchors, qualifying_items
from tests.replai.stream.small import make_index, make_record

REACH = (1.0, 0.6)
INDEX = make_index(
    [
        {"num_moments": 2, "num_actions": 3},
        {"num_moments": 0, "num_actions": 0},
        {"num_moments": 1, "num_actions": 2, "has_audio": False},
        {"num_moments": 3, "num_actions": 0, "duration_seconds": 1.6},
        {"num_moments": 1, "num_actions": 1, "duration_seconds": 1.5},
    ]
)


@pytest.mark.parametrize(
    ("at", "k", "needs_audio", "rows"),
    [
        (At.moments, 1, False, [0, 2, 3, 4]),
        (At.moments, 1, True, [0, 3, 4]),
        (At.moments, 2, False, [0, 3]),
        (At.moments, 3, True, [3]),
        (At.random, 1, False, [0, 1, 2, 3]),
        (At.random, 9, True, [0, 1, 3]),
        (At.actions, 1, False, [0, 0, 0, 2, 2, 4]),
        (At.actions, 4, True, [0, 0, 0, 4]),
    ],
)
def test_what_qualifies(at: At, k: int, needs_audio: bool, rows: list[int]) -> None:
    items = qualifying_items(INDEX, SamplingConfig(at=at, per_visit=k), REACH, needs_audio)
    assert items.rows.tolist() == rows
    assert len(items) == len(rows)
    assert items.rows.dtype == items.ordinals.dtype == np.int64
    counts = {row: 0 for row in rows}
    for row, ordinal in zip(items.rows.tolist(), items.ordinals.tolist(), strict=True):
        assert ordinal == (counts[row] if at is At.actions else 0)
        counts[row] += 1


@pytest.mark.parametrize("at", At)
def test_nothing_qualifies(at: At) -> None:
    index = make_index([{"duration_seconds": 1.0}])
    with pytest.raises(UserError, match=f"/root: no sample qualifies for sampling at {at.value}"):
        qualifying_items(index, SamplingConfig(at=at), REACH, needs_audio=False)


def test_too_many_moments_a_visit_are_named() -> None:
    index = make_index([{"num_moments": 3}])
    with pytest.raises(UserError, match=r"no sample has 4 moments; lower data.sampling.per_visit"):
        qualifying_items(index, SamplingConfig(per_visit=4), REACH, needs_audio=False)


def test_views_that_reach_past_the_margin() -> None:
    index = make_index([{"num_moments": 1}], margin_seconds=0.9)
    with pytest.raises(UserError, match=r"reach 1 s .* margin of 0\.9 s.*--margin-seconds 1"):
        qualifying_items(index, SamplingConfig(), REACH, needs_audio=False)
    with pytest.raises(UserError, match="reach 1 s"):
        qualifying_items(index, SamplingConfig(), (0.0, 1.0), needs_audio=False)
    assert len(qualifying_items(index, SamplingConfig(), (0.9, 0.9), needs_audio=False)) == 1
    assert len(qualifying_items(index, SamplingConfig(at=At.random), REACH, needs_audio=False)) == 1


times = st.lists(st.floats(1.0, 11.0), min_size=1, max_size=6, unique=True).map(sorted)


@given(times, st.data(), st.integers(0, 9))
def test_moments_are_chosen_without_repeats_in_order(
    moments: list[float], data: st.DataObject, seed: int
) -> None:
    k = data.draw(st.integers(1, len(moments)))
    record = make_record(moments=tuple(moments))
    chosen = anchors(record, 0, SamplingConfig(per_visit=k), REACH, np.random.default_rng(seed))
    assert chosen.dtype == np.float64
    assert len(chosen) == k
    assert np.all(np.diff(chosen) > 0)
    assert set(chosen) <= set(moments)


def test_each_moment_is_chosen_equally_often() -> None:
    record, draw = make_record(moments=(1.0, 2.0, 3.0)), np.random.default_rng(0)
    chosen = [anchors(record, 0, SamplingConfig(), REACH, draw)[0] for _ in range(900)]
    assert np.all(np.abs(np.bincount(np.array(chosen, int))[1:] - 300) < 60)


@given(st.floats(0, 3), st.floats(0, 3), st.floats(0, 5), st.integers(1, 5), st.integers(0, 9))
def test_random_times_leave_room_for_the_views(
    before: float, after: float, room: float, k: int, seed: int
) -> None:
    record = replace(make_record(), duration_seconds=before + after + room)
    sampling = SamplingConfig(at=At.random, per_visit=k)
    chosen = anchors(record, 0, sampling, (before, after), np.random.default_rng(seed))
    assert chosen.shape == (k,)
    assert np.all(np.diff(chosen) >= 0)
    assert np.all(chosen >= before)
    assert np.all(chosen + after <= record.duration_seconds + 1e-9)


def test_a_segment_that_just_fits_has_one_random_time() -> None:
    before, after = 2.4, 2.7
    assert before + after - after < before  # rounding
    record = replace(make_record(), duration_seconds=before + after)
    sampling, draw = SamplingConfig(at=At.random), np.random.default_rng(0)
    assert anchors(record, 0, sampling, (before, after), draw).tolist() == [before]


def test_actions_are_seen_evenly() -> None:
    record = make_record(actions=((1.0, 2.0), (4.0, 8.0)))
    for ordinal, k, expected in ((0, 1, [1.5]), (1, 1, [6.0]), (1, 4, [4.5, 5.5, 6.5, 7.5])):
        sampling = SamplingConfig(at=At.actions, per_visit=k)
        chosen = anchors(record, ordinal, sampling, REACH, np.random.default_rng(0))
        assert chosen.tolist() == expected


def test_at_least_one_anchor_a_visit() -> None:
    with pytest.raises(ValueError, match="per_visit is 0"):
        SamplingConfig(per_visit=0)
