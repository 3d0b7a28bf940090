"""Cutting videos: every moment once, with its margin; cores tile the video; keys are unique."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replai.core.record import Action, Moment
from sharder.segments import Segment, SegmentConfig, cut_video, safe_key, spread_over_shards

durations = st.floats(0.0, 500.0) | st.sampled_from([10.0, 30.0, 1 / 30, 4.999, 5.001, 25.0])
configs = st.builds(
    SegmentConfig,
    core_seconds=st.floats(0.1, 60.0) | st.just(10.0),
    margin_seconds=st.floats(0.0, 12.0) | st.sampled_from([0.0, 1.1]),
)
shares = st.lists(st.floats(0.0, 1.1) | st.sampled_from([0.0, 0.1, 0.5, 1.0]), max_size=20)
EDGE = 1e-6


def moments_at(times: Sequence[float]) -> list[Moment]:
    """Each with a prominence of its own, by which to know it."""
    return [Moment(seconds=t, prominence=float(i)) for i, t in enumerate(sorted(times))]


def cut(duration: float, config: SegmentConfig, times: Sequence[float] = ()) -> list[Segment]:
    return cut_video("v", "v.mp4", duration, moments_at(times), [], config)


@given(duration=durations, config=configs, parts=shares)
def test_a_moment_is_in_one_segment_with_its_margin_unless_at_the_ends(
    duration: float, config: SegmentConfig, parts: list[float]
) -> None:
    times, margin = [duration * share for share in parts], config.margin_seconds
    segments = cut(duration, config, times)
    found = [m for segment in segments for m in segment.moments]
    assert found == [m for m in moments_at(times) if margin <= m.seconds <= duration - margin]
    for segment in segments:
        for moment in segment.moments:
            assert segment.span.start_seconds <= moment.seconds - margin + EDGE
            assert segment.span.stop_seconds >= moment.seconds + margin - EDGE


@given(duration=durations, config=configs)
def test_cores_tile_the_video(duration: float, config: SegmentConfig) -> None:
    segments = cut(duration, config)
    starts = [segment.core_start_seconds for segment in segments]
    ends = [*starts[1:], duration]
    assert starts[0] == 0.0
    for segment, start, end in zip(segments, starts, ends, strict=True):
        assert 0 <= end - start <= max(1.5 * config.core_seconds, EDGE) + EDGE
        stored = (max(start - config.margin_seconds, 0), min(end + config.margin_seconds, duration))
        assert segment.span.start_seconds == pytest.approx(stored[0], abs=EDGE)
        assert segment.span.stop_seconds == pytest.approx(stored[1], abs=EDGE)


@given(duration=durations, config=configs)
def test_keys_are_unique_and_in_order(duration: float, config: SegmentConfig) -> None:
    keys = [segment.key for segment in cut(duration, config)]
    assert sorted(set(keys)) == keys


def test_cores_shorter_than_the_margin_have_keys_of_their_own() -> None:
    segments = cut(5.0, SegmentConfig(core_seconds=1.0, margin_seconds=3.0))
    assert [s.span.start_seconds for s in segments] == [0, 0, 0, 0, 1]
    assert [s.key for s in segments] == [f"v_{i}000".replace("v_", "v_00000") for i in range(5)]


def test_a_moment_between_two_cores_belongs_to_the_later_one() -> None:
    first, second = cut(20.0, SegmentConfig(), [10.0])
    assert (len(first.moments), len(second.moments)) == (0, 1)


@given(
    duration=durations,
    config=configs,
    spans=st.lists(st.tuples(st.floats(0, 1.2), st.floats(1e-3, 0.5)), max_size=10),
)
def test_an_action_is_in_one_segment_cut_to_what_it_stores(
    duration: float, config: SegmentConfig, spans: list[tuple[float, float]]
) -> None:
    actions = [
        Action(start_seconds=duration * at, stop_seconds=duration * (at + length) + 1e-3,
               verb=str(i), noun="n", verb_class=i, noun_class=0)
        for i, (at, length) in enumerate(spans)
    ]  # fmt: skip
    segments = cut_video("v", "v.mp4", duration, [], actions, config)
    found = {action.verb: (segment, action) for segment in segments for action in segment.actions}
    assert sum(len(segment.actions) for segment in segments) == len(found)
    assert set(found) == {a.verb for a in actions if a.start_seconds < duration}
    for segment, action in found.values():
        original = actions[action.verb_class]
        assert action.start_seconds == segment.span.clip(original.start_seconds)
        assert action.stop_seconds == segment.span.clip(original.stop_seconds)


@given(st.lists(st.text(min_size=1, max_size=90), min_size=1, max_size=20, unique=True))
def test_ids_of_any_characters_give_keys_of_their_own(video_ids: list[str]) -> None:
    keys = {cut_video(video_id, "u", 1.0, [], [], SegmentConfig())[0].key for video_id in video_ids}
    assert len(keys) == len(video_ids)
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{10,90}", key) for key in keys)


def test_plain_ids_stay_as_they_are() -> None:
    assert safe_key("P01_01") == "P01_01"
    assert safe_key("6f3c-a1") == "6f3c-a1"
    assert safe_key("кухня").startswith("------")
    assert safe_key("a b") != safe_key("a.b") != "a-b"


@given(num=st.integers(0, 60), size=st.integers(1, 20), seed=st.integers(0, 3))
def test_the_plan_holds_every_segment_once(num: int, size: int, seed: int) -> None:
    segments = cut(num * 10.0, SegmentConfig()) if num else []
    plan = spread_over_shards(segments, size, seed)
    keys = [segment.key for shard in plan for segment in shard]
    assert sorted(keys) == [segment.key for segment in segments]
    assert [len(shard) for shard in plan[:-1]] == [size] * (len(plan) - 1)
    assert plan == spread_over_shards(segments, size, seed)


def test_the_plan_mixes_and_depends_on_the_seed() -> None:
    segments = cut(1000.0, SegmentConfig())
    orders = [[s.key for s in spread_over_shards(segments, 100, seed)[0]] for seed in (0, 1)]
    assert orders[0] != orders[1]
    assert orders[0] != sorted(orders[0])


@pytest.mark.parametrize("seed", range(4))
def test_a_moment_and_an_action_come_first(seed: int) -> None:
    """Where only one segment of thirty has each."""
    moments = [Moment(seconds=155.0, prominence=1.0)]
    action = Action(
        start_seconds=21.0, stop_seconds=22.0, verb="open", noun="door", verb_class=0, noun_class=0
    )
    segments = cut_video("v", "u", 300.0, moments, [action], SegmentConfig())
    first, second = spread_over_shards(segments, 10, seed)[0][:2]
    assert first.moments and second.actions


@pytest.mark.parametrize(
    "wrong",
    [
        {"core_seconds": 0.0}, {"core_seconds": 0.05}, {"core_seconds": -1.0},
        {"core_seconds": math.nan}, {"core_seconds": math.inf},
        {"margin_seconds": -0.1}, {"margin_seconds": math.nan}, {"margin_seconds": math.inf},
    ],
)  # fmt: skip
def test_a_cut_that_makes_no_sense_is_refused(wrong: dict[str, float]) -> None:
    (name,) = wrong
    with pytest.raises(ValueError, match=name.replace("core", "segment")):
        SegmentConfig(**wrong)
