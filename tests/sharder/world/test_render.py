from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from sharder.world import NOUNS, VERBS, WorldSettings
from sharder.world.builds import Build, draw_palette
from sharder.world.canvas import Canvas
from sharder.world.looks import LOOKS
from sharder.world.motion import frame_seconds, gaze_path, object_middle
from sharder.world.objects import draw_object
from sharder.world.render import Scene, contact_frame, render
from sharder.world.script import write_script
from sharder.world.signs import OWN, SHARED, paint_halo, paint_item, paint_lid, paint_window
from sharder.world.sound import impacts
from sharder.world.vocabulary import attribute_of, body_of, gesture_of

SETTINGS = WorldSettings(duration_seconds=6.0, width=128, height=72, fps=16, seed=2)


def test_frames_have_the_size_and_number_asked_for_and_repeat() -> None:
    script = write_script(SETTINGS, 0)
    frames = np.stack(list(render(script)))
    assert frames.shape == (96, 72, 128, 3)
    assert frames.dtype == np.uint8
    assert np.array_equal(frames, np.stack(list(render(script))))
    other = np.stack(list(render(write_script(SETTINGS, 1))))
    assert np.abs(frames.astype(int) - other).mean() > 10


def test_an_odd_aspect_and_many_videos_render() -> None:
    settings = replace(SETTINGS, width=96, height=96, duration_seconds=4.0)
    for index in range(4):
        assert sum(1 for _ in render(write_script(settings, index))) == 64


@pytest.mark.parametrize("own_signs", [False, True])
def test_each_attribute_changes_much_of_every_object(own_signs: bool) -> None:
    palette = draw_palette(np.random.default_rng(0), 0.0)
    closed = (False, False, False, False)
    for noun in NOUNS:
        signs = OWN[noun] if own_signs else SHARED
        plain = draw_object(noun, closed, palette, Build(), 20.0, signs).colour
        for attribute in range(4):
            state = tuple(index == attribute for index in range(4))
            changed = draw_object(  # type: ignore[arg-type]
                noun, state, palette, Build(), 20.0, signs
            ).colour
            assert (np.abs(changed - plain).max(axis=2) > 40).mean() > 0.02


def test_kinds_differ_in_outline() -> None:
    palette = draw_palette(np.random.default_rng(0), 0.0)
    outlines = [
        draw_object(noun, (False, False, False, False), palette, Build(), 20.0).keep < 0.5
        for noun in NOUNS
    ]
    for index, one in enumerate(outlines):
        for other in outlines[:index]:
            overlap = (one & other).sum() / (one | other).sum()
            assert overlap < 0.95


def test_with_own_signs_a_change_looks_otherwise_on_every_kind() -> None:
    """The same body, so that all that differs is the signs."""
    palette = draw_palette(np.random.default_rng(0), 0.0)
    for paint in (
        lambda canvas, signs: paint_halo(canvas, palette, 0.9, signs),
        lambda canvas, signs: paint_item(canvas, palette, signs),
        lambda canvas, signs: paint_window(canvas, palette, 0.32, signs),
        lambda canvas, signs: paint_lid(canvas, palette, LOOKS["box"], True, signs),
    ):
        pictures = []
        for noun in NOUNS:
            canvas = Canvas(half_width=1.5, half_height=1.5, pixels_per_unit=20.0)
            paint(canvas, OWN[noun])
            sprite = canvas.finish()
            pictures.append(sprite.colour + 128 * sprite.keep)
        for index, one in enumerate(pictures):
            for other in pictures[:index]:
                assert (np.abs(one - other).max(axis=2) > 40).mean() > 0.005


def test_a_world_with_own_signs_paints_them() -> None:
    own = next(render(write_script(replace(SETTINGS, own_signs=1), 0)))
    shared = next(render(write_script(SETTINGS, 0)))
    differ = (own != shared).any(axis=2)
    assert 0.0 < differ.mean() < 0.5, "the objects, and nothing else"


def test_kin_have_one_body_and_one_sound_and_signs_of_their_own() -> None:
    settings = replace(SETTINGS, own_signs=1, kinship=1, num_train_videos=30)
    scripts = [write_script(settings, index) for index in range(30)]
    alone = [write_script(replace(settings, kinship=0), index) for index in range(30)]
    assert [one.interactions for one in scripts] == [one.interactions for one in alone]
    for one, other in zip(scripts, alone, strict=True):
        nouns = [item.noun for item in one.objects]
        heads = [noun for noun in nouns if body_of(noun, 1) == noun]
        acted = [action.noun for action in one.interactions]
        same = np.array_equal(impacts(one), impacts(other))
        assert same == all(noun in heads for noun in acted)
        painted = np.array_equal(Scene(one)._panorama, Scene(other)._panorama)
        assert painted == (nouns == heads)
    assert all(body_of(noun, 0) == noun for noun in NOUNS)
    assert sorted(Counter(body_of(noun, 1) for noun in NOUNS).values()) == [2, 2, 2, 2]
    with pytest.raises(ValueError, match="nothing would tell kin apart"):
        replace(SETTINGS, kinship=1)


def test_contrary_kin_sound_as_the_inverse_of_what_is_done() -> None:
    for verb in VERBS:
        assert gesture_of(verb, "drum", 0) == gesture_of(verb, "box", 1) == verb
        other = gesture_of(verb, "drum", 1)
        assert other != verb
        assert attribute_of(other) == attribute_of(verb)
    settings = replace(SETTINGS, own_signs=1, kinship=1)
    for index in range(8):
        plain, turned = (write_script(replace(settings, contrary=one), index) for one in (0, 1))
        same = np.array_equal(impacts(plain), impacts(turned))
        assert same == all(body_of(one.noun, 1) == one.noun for one in plain.interactions)


def test_the_state_changes_at_the_frame_nearest_to_the_contact() -> None:
    script = write_script(SETTINGS, 0)
    frames = list(render(script))
    scene = Scene(script)
    for action in script.interactions:
        frame = contact_frame(script, action.seconds)
        assert abs(frame / SETTINGS.fps - action.seconds) <= 0.5 / SETTINGS.fps
        last_before, first_after = scene.frame(frame - 1), scene.frame(frame)
        assert np.array_equal(frames[frame - 1], last_before)
        assert not np.array_equal(frames[frame], first_after)
        scene.change(action.object_index, action.state_after)
        assert np.array_equal(frames[frame], scene.frame(frame))


def test_the_acted_on_object_stands_near_the_middle_around_a_contact() -> None:
    script = write_script(SETTINGS, 0)
    gaze = gaze_path(script)
    for action in script.interactions:
        window = np.abs(frame_seconds(script) - action.seconds) < 0.6
        offset = gaze[window] - np.array(object_middle(script, action.object_index))
        assert np.abs(offset).max() < 0.2
