from dataclasses import replace
from itertools import pairwise

import pytest

from sharder.world import NOUNS, VERBS, WorldSettings
from sharder.world.script import MARGIN_SECONDS, write_script
from sharder.world.vocabulary import ATTRIBUTES, apply_verb, is_possible

SETTINGS = WorldSettings(num_train_videos=9, num_test_videos=5, duration_seconds=60.0, seed=3)


def test_a_script_follows_from_seed_and_index() -> None:
    first = write_script(SETTINGS, 1)
    assert first == write_script(SETTINGS, 1)
    other_seed = write_script(replace(SETTINGS, seed=4), 1)
    other_video = write_script(SETTINGS, 2)
    assert first.interactions != other_seed.interactions
    assert first.interactions != other_video.interactions


def test_states_follow_from_actions_and_only_possible_actions_happen() -> None:
    script = write_script(SETTINGS, 0)
    states = [item.initial_state for item in script.objects]
    for action in script.interactions:
        before = states[action.object_index]
        assert action.state_before == before
        assert is_possible(action.verb, before)
        assert action.state_after == apply_verb(action.verb, before)
        assert sum(a != b for a, b in zip(before, action.state_after, strict=True)) == 1
        assert action.noun == script.objects[action.object_index].noun
        states[action.object_index] = action.state_after


@pytest.mark.parametrize("pair", range(len(ATTRIBUTES)))
def test_the_second_verb_of_a_pair_undoes_the_first(pair: int) -> None:
    start = (False, False, False, False)
    there = apply_verb(VERBS[2 * pair], start)
    assert there == tuple(index == pair for index in range(4))
    assert apply_verb(VERBS[2 * pair + 1], there) == start
    with pytest.raises(ValueError, match=VERBS[2 * pair]):
        apply_verb(VERBS[2 * pair], there)


def test_contacts_keep_their_distance_and_objects_alternate() -> None:
    for index in range(SETTINGS.num_videos):
        actions = write_script(SETTINGS, index).interactions
        assert actions[0].seconds >= MARGIN_SECONDS
        assert actions[-1].seconds <= SETTINGS.duration_seconds - MARGIN_SECONDS
        for one, following in pairwise(actions):
            assert following.seconds - one.seconds >= SETTINGS.min_gap_seconds
            assert following.object_index != one.object_index


def test_every_verb_and_noun_occurs_about_equally_often() -> None:
    settings = replace(SETTINGS, num_train_videos=60)
    actions = [a for i in range(60) for a in write_script(settings, i).interactions]
    for names, found in (
        (VERBS, [a.verb for a in actions]),
        (NOUNS, [a.noun for a in actions]),
    ):
        shares = [found.count(name) / len(found) for name in names]
        assert min(shares) > 0.08
        assert max(shares) < 0.18


def test_no_participant_and_no_video_is_in_both_splits() -> None:
    scripts = [write_script(SETTINGS, index) for index in range(SETTINGS.num_videos)]
    assert len({script.video_id for script in scripts}) == SETTINGS.num_videos
    people = {
        split: {script.participant_id for script in scripts if script.split == split}
        for split in ("train", "test")
    }
    assert people == {"train": {"P01", "P02", "P03"}, "test": {"P04", "P05"}}


@pytest.mark.parametrize("index", [-1, 14])
def test_an_index_outside_the_world_is_refused(index: int) -> None:
    with pytest.raises(ValueError, match=rf"video_index is {index}.*14"):
        write_script(SETTINGS, index)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("num_train_videos", -1),
        ("duration_seconds", 3.0),
        ("duration_seconds", float("nan")),
        ("width", 257),
        ("width", 100),
        ("height", 32),
        ("fps", 0),
        ("snr_db", 100.0),
        ("min_gap_seconds", 1.0),
        ("mean_gap_seconds", 2.0),
        ("idle_probability", 1.5),
        ("variety", -0.1),
        ("coupling", 2.0),
        ("clutter", 1000),
        ("head_motion", -1.0),
        ("distractor_db", float("nan")),
        ("reaches_per_minute", 100.0),
        ("seed", -1),
    ],
)
def test_settings_out_of_range_are_refused_by_name_and_value(field: str, value: float) -> None:
    with pytest.raises(ValueError, match=rf"{field} is {value}.*must"):
        replace(SETTINGS, **{field: value})
