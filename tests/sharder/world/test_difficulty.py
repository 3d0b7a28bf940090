"""The harder worlds: what gives nothing away, and distractors that keep out of the truth."""

from collections import Counter, defaultdict
from dataclasses import fields, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from sharder.world import LEVELS, NOUNS, VERBS, WorldSettings, settings_of
from sharder.world.ambience import ambience
from sharder.world.difficulty import Difficulty
from sharder.world.distractors import CHANGE_CLEARANCE_SECONDS, REACH_CLEARANCE_SECONDS
from sharder.world.impact import ONSET_RMS, SAMPLE_RATE_HZ, impact_wave
from sharder.world.motion import OBJECT_SPACING, hand_path
from sharder.world.render import Scene, contact_frame, render
from sharder.world.script import Script, write_script
from sharder.world.sound import impacts, synthesise
from sharder.world.vocabulary import apply_verb, is_possible

SMALL = {"width": 64, "height": 64, "fps": 16}
BUSY = settings_of(
    "medium", duration_seconds=90.0, reaches_per_minute=20.0, silent_changes_per_minute=20.0,
    offscreen_per_minute=20.0, num_train_videos=70, num_test_videos=30, **SMALL,
)  # fmt: skip


def test_easy_is_the_default_and_levels_can_be_changed() -> None:
    assert settings_of("easy") == WorldSettings()
    medium = settings_of("medium", ["clutter=3", "talk_share = 0.5"], snr_db=None, seed=4)
    assert (medium.clutter, medium.talk_share, medium.seed, medium.coupling) == (3, 0.5, 4, 1.0)
    assert settings_of("hard", snr_db=None).snr_db == LEVELS["hard"]["snr_db"]
    with pytest.raises(ValueError, match=r"'odd'.*easy, medium, hard"):
        settings_of("odd")


@pytest.mark.parametrize("level", ["medium", "hard"])
def test_the_same_seed_gives_the_same_bytes(level: str) -> None:
    settings = settings_of(level, duration_seconds=6.0, **SMALL)
    one, other = write_script(settings, 1), write_script(settings, 1)
    assert one == other
    assert np.array_equal(np.stack(list(render(one))), np.stack(list(render(other))))
    assert np.array_equal(synthesise(one), synthesise(other))


def test_states_follow_from_actions_and_silent_changes() -> None:
    script = write_script(BUSY, 0)
    assert len(script.silent_changes) > 3
    states = [item.initial_state for item in script.objects]
    for change in script.changes:
        before = states[change.object_index]
        if change in script.interactions:
            assert change.state_before == before
            assert is_possible(change.verb, before)
            assert change.state_after == apply_verb(change.verb, before)
        assert sum(a != b for a, b in zip(before, change.state_after, strict=True)) == 1
        states[change.object_index] = change.state_after


def test_distractors_keep_clear_of_contacts() -> None:
    num_distractors = 0
    for index in range(10):
        script = write_script(BUSY, index)
        for action in script.interactions:
            for change in (*script.silent_changes, *script.offscreen):
                assert abs(change.seconds - action.seconds) > CHANGE_CLEARANCE_SECONDS
        for one, following in pairwise(script.visits):
            assert following.seconds - one.seconds >= REACH_CLEARANCE_SECONDS
        num_distractors += len(script.reaches)
    assert num_distractors > 10


def test_a_reach_is_a_hand_alone() -> None:
    script = write_script(BUSY, 0)
    hand, track = hand_path(script), impacts(script)
    for reach in script.reaches:
        frame, sample = contact_frame(script, reach.seconds), round(reach.seconds * SAMPLE_RATE_HZ)
        assert hand.object_index[frame] == reach.object_index
        assert not track[:, sample : sample + 2000].any()
        assert all(abs(change.seconds - reach.seconds) > 1e-3 for change in script.changes)


def test_a_silent_change_is_seen_alone() -> None:
    script = write_script(replace(BUSY, reaches_per_minute=0.0, lighting=0.0), 0)
    scene, hand, track = Scene(script), hand_path(script), impacts(script)
    seen = 0
    for change in script.changes:
        if change in script.interactions:
            scene.change(change.object_index, change.state_after)
            continue
        frame = contact_frame(script, change.seconds)
        before = scene.frame(frame)
        scene.change(change.object_index, change.state_after)
        seen += not np.array_equal(before, scene.frame(frame))
        sample = round(change.seconds * SAMPLE_RATE_HZ)
        assert not track[:, sample : sample + 1000].any()
        assert hand.object_index[frame] != change.object_index
    assert seen > 0


def test_before_or_after_alone_do_not_tell_the_verb() -> None:
    """Of four attributes any may have changed: whoever knows all of one state is right 1 in 4."""
    scripts = [write_script(BUSY, index) for index in range(BUSY.num_videos)]
    actions = [action for script in scripts for action in script.interactions]
    assert len(actions) > 1000
    for state in ("state_before", "state_after"):
        verbs = defaultdict(Counter)
        for action in actions:
            verbs[getattr(action, state)][action.verb] += 1
        right = sum(counts.most_common(1)[0][1] for counts in verbs.values())
        assert right / len(actions) < 0.33
    changed = {(action.state_before, action.state_after): action.verb for action in actions}
    assert all(changed[a.state_before, a.state_after] == a.verb for a in actions)


def test_objects_of_one_kind_stand_together_in_either_state() -> None:
    scripts = [write_script(BUSY, index) for index in range(BUSY.num_videos)]
    differ = twins = 0
    for script in scripts:
        for one, other in pairwise(script.objects):
            if one.noun == other.noun:
                twins += 1
                differ += one.initial_state != other.initial_state
    assert 0.15 < twins / sum(len(script.objects) - 1 for script in scripts) < 0.45
    assert differ > 0.8 * twins


def test_colour_does_not_tell_the_noun() -> None:
    """A linear read-out of what is where in colour, on rooms it has not seen, is near chance."""
    settings = replace(BUSY, num_train_videos=16, num_test_videos=8, silent_changes_per_minute=0.0)
    pictures = {"train": [], "test": []}
    for index in range(settings.num_videos):
        script = write_script(settings, index)
        pictures[script.split] += _colours(script)
    colours, nouns = (np.array(column) for column in zip(*pictures["train"], strict=True))
    mean, scale = colours.mean(axis=0), colours.std(axis=0)
    design = np.column_stack([(colours - mean) / scale, np.ones(len(colours))])
    weights, *_ = np.linalg.lstsq(design, np.eye(len(NOUNS))[nouns], rcond=None)
    colours, nouns = (np.array(column) for column in zip(*pictures["test"], strict=True))
    design = np.column_stack([(colours - mean) / scale, np.ones(len(colours))])
    accuracy = ((design @ weights).argmax(axis=1) == nouns).mean()
    assert len(nouns) > 80
    assert accuracy < 0.3, accuracy  # chance: 0.125


def _colours(script: Script) -> list[tuple[np.ndarray, int]]:
    """Mean and deviation of the colour in the middle of each action's first frame after."""
    scene, found = Scene(script), []
    for change in script.changes:
        scene.change(change.object_index, change.state_after)
        if change in script.interactions:
            frame = scene.frame(contact_frame(script, change.seconds))[16:48, 16:48].astype(float)
            colour = np.concatenate([frame.mean(axis=(0, 1)), frame.std(axis=(0, 1))])
            found.append((colour, NOUNS.index(change.noun)))
    return found


def test_place_does_not_tell_the_noun() -> None:
    scripts = [
        write_script(replace(BUSY, twin_probability=0.0, duration_seconds=8.0), i)
        for i in range(100)
    ]
    for place in range(3):
        nouns = Counter(script.objects[place].noun for script in scripts)
        assert len(nouns) == len(NOUNS)
        assert max(nouns.values()) < 30


def test_rooms_of_the_test_split_are_new() -> None:
    settings = settings_of("medium", num_train_videos=6, num_test_videos=4, **SMALL)
    scripts = [write_script(settings, index) for index in range(settings.num_videos)]
    rooms = [Scene(script)._empty[-10:, :40].tobytes() for script in scripts]
    assert len(set(rooms)) == len(rooms)
    people = {(script.split, script.participant_id) for script in scripts}
    assert len({person for _, person in people}) == len(people)


def test_the_sound_of_a_verb_depends_on_the_noun() -> None:
    def peak_hz(noun: str, verb: str, coupling: float) -> float:
        wave = impact_wave(verb, noun, np.random.default_rng(0), coupling)
        gesture = wave[round(0.35 * SAMPLE_RATE_HZ) : round(0.5 * SAMPLE_RATE_HZ)]
        spectrum = np.abs(np.fft.rfft(gesture * np.hanning(len(gesture))))
        return float(spectrum.argmax() * SAMPLE_RATE_HZ / len(gesture))

    assert peak_hz("box", "turn-on", 0.0) == peak_hz("jar", "turn-on", 0.0)
    assert peak_hz("jar", "turn-on", 1.0) > 1.5 * peak_hz("box", "turn-on", 1.0)
    assert peak_hz("box", "turn-on", 1.0) > 1.5 * peak_hz("box", "turn-off", 1.0)


def test_what_is_on_is_heard_when_looked_at() -> None:
    settings = settings_of("easy", running_loudness=0.5, duration_seconds=40.0)
    script = write_script(settings, 0)
    sound = ambience(script)
    loudness = {True: [], False: []}
    for action in script.interactions:
        sample = round((action.seconds + 0.1) * SAMPLE_RATE_HZ)
        power = np.mean(sound[sample : sample + 8000] ** 2)
        loudness[action.state_after[1]].append(np.sqrt(power) / ONSET_RMS)
    assert min(len(found) for found in loudness.values()) > 1
    assert OBJECT_SPACING > 0.8  # so neighbours that are on are hardly heard
    assert min(loudness[True]) > 0.3 > 0.2 > max(loudness[False])


def test_talk_takes_its_share_of_the_time() -> None:
    settings = settings_of("easy", talk_share=0.4, duration_seconds=150.0)
    sound = ambience(write_script(settings, 0))
    tenths = np.abs(sound[: len(sound) // 4410 * 4410].reshape(-1, 4410)).max(axis=1)
    assert 0.2 < (tenths > 1e-3).mean() < 0.6
    assert not ambience(write_script(WorldSettings(), 0)).any()


def test_every_verb_can_be_heard_off_screen() -> None:
    heard = [one for index in range(20) for one in write_script(BUSY, index).offscreen]
    assert {one.verb for one in heard} == set(VERBS)
    assert {one.noun for one in heard} == set(NOUNS)


def test_the_documented_settings_are_the_ones_in_force() -> None:
    page = (Path(__file__).parents[3] / "docs" / "world.md").read_text()
    for field in fields(Difficulty):
        values = [LEVELS[level].get(field.name, field.default) for level in LEVELS]
        row = " | ".join(f"{value:g}" for value in values)
        assert f"| `{field.name}` | {row} |" in page
