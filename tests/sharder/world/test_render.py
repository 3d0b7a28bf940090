from dataclasses import replace

import numpy as np

from sharder.world import NOUNS, WorldSettings
from sharder.world.motion import frame_seconds, gaze_path, object_middle
from sharder.world.objects import Build, draw_object, draw_palette
from sharder.world.render import Scene, contact_frame, render
from sharder.world.script import write_script

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


def test_each_attribute_changes_much_of_every_object() -> None:
    palette = draw_palette(np.random.default_rng(0), 0.0)
    closed = (False, False, False, False)
    for noun in NOUNS:
        plain = draw_object(noun, closed, palette, Build(), 20.0).colour
        for attribute in range(4):
            state = tuple(index == attribute for index in range(4))
            changed = draw_object(noun, state, palette, Build(), 20.0).colour  # type: ignore[arg-type]
            assert (np.abs(changed - plain).max(axis=2) > 40).mean() > 0.03


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
