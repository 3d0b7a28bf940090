"""Script -> frames. Frame k is on screen during [k / fps, (k + 1) / fps).

The whole panorama, objects included, is kept painted; a state change repaints one object, and
a frame is a window cut out of it with the hand laid over.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from sharder.world.canvas import Floats, Pixels, Sprite
from sharder.world.clutter import add_clutter
from sharder.world.lighting import draw_shade, light_path
from sharder.world.motion import (
    PANORAMA_HEIGHT,
    Hand,
    gaze_path,
    hand_path,
    object_middle,
    panorama_width,
    second_hand_path,
)
from sharder.world.objects import HALF_EXTENT, draw_build, draw_object, draw_palette
from sharder.world.room import (
    FINGERTIP,
    HAND_HALF_HEIGHT,
    HAND_HALF_WIDTH,
    draw_hand,
    draw_room,
)
from sharder.world.script import Script
from sharder.world.vocabulary import State

UNIT = 0.285
"""Length of a unit in frame heights: a body is about half a frame high."""


def contact_frame(script: Script, seconds: float) -> int:
    """Return the first frame that shows the new state: the one that begins nearest to `seconds`."""
    return round(seconds * script.settings.fps)


def render(script: Script) -> Iterator[Pixels]:
    """Yield the frames of a video, each uint8 [height, width, 3], RGB, not to be written to."""
    scene = Scene(script)
    changes = _changes(script)
    for frame_index in range(script.settings.num_frames):
        for object_index, state in changes.get(frame_index, ()):
            scene.change(object_index, state)
        yield scene.frame(frame_index)


def _changes(script: Script) -> dict[int, list[tuple[int, State]]]:
    """Return which objects get which states, by the frame that shows it first."""
    changes: dict[int, list[tuple[int, State]]] = {}
    for change in script.changes:
        shown = changes.setdefault(contact_frame(script, change.seconds), [])
        shown.append((change.object_index, change.state_after))
    return changes


class Scene:
    """The painted panorama in its present state, and the ways of gaze, hands and light."""

    def __init__(self, script: Script) -> None:
        self._script = script
        self._height = script.settings.height
        self._gaze = gaze_path(script)
        self._empty = self._draw_room()
        height, width = self._empty.shape[:2]
        self._light = light_path(script)
        self._shade = draw_shade(script, height, width)
        self._panorama = _shaded(self._empty, self._shade)
        right = draw_hand(script.generator("skin"), self._pixels_per_unit)
        self._hands = [(hand_path(script), right, FINGERTIP[0])]
        if script.settings.second_hand_probability:
            self._hands.append((second_hand_path(script), right.mirrored(), -FINGERTIP[0]))
        numbers = range(len(script.objects))
        variety = script.settings.variety
        self._palettes = [draw_palette(script.generator(f"palette {i}"), variety) for i in numbers]
        self._builds = [draw_build(script.generator(f"build {i}"), variety) for i in numbers]
        for index, item in enumerate(script.objects):
            self.change(index, item.initial_state)

    def _draw_room(self) -> Pixels:
        script = self._script
        height, width = self._pixels(PANORAMA_HEIGHT), self._pixels(panorama_width(script))
        room = draw_room(script.generator("room"), height, width)
        chance = script.generator("clutter")
        add_clutter(chance, room, script.settings.clutter, self._pixels_per_unit)
        return room

    @property
    def _pixels_per_unit(self) -> float:
        return UNIT * self._height

    def _pixels(self, frame_heights: float) -> int:
        return round(frame_heights * self._height)

    def change(self, object_index: int, state: State) -> None:
        """Repaint one object in a new state."""
        noun, build = self._script.objects[object_index].noun, self._builds[object_index]
        palette = self._palettes[object_index]
        sprite = draw_object(noun, state, palette, build, self._pixels_per_unit)
        down, across = object_middle(self._script, object_index)
        down += (1.0 - build.size) * UNIT  # small ones stand on the table, too
        top = self._pixels(down - HALF_EXTENT * build.size * UNIT)
        left = self._pixels(across - HALF_EXTENT * build.size * UNIT)
        rows = slice(top, top + sprite.keep.shape[0])
        columns = slice(left, left + sprite.keep.shape[1])
        region = self._empty[rows, columns].copy()
        sprite.paste(region, 0, 0)
        shade = None if self._shade is None else self._shade[rows, columns]
        self._panorama[rows, columns] = _shaded(region, shade)

    def frame(self, frame_index: int) -> Pixels:
        """Return what is seen at one frame, uint8 [height, width, 3]."""
        settings = self._script.settings
        down, across = self._gaze[frame_index]
        top = self._pixels(down - 0.5)
        left = self._pixels(across) - settings.width // 2
        limit = self._panorama.shape[1] - settings.width
        left = min(max(left, 0), limit)
        view = self._panorama[top : top + settings.height, left : left + settings.width].copy()
        for hand, sprite, fingertip in reversed(self._hands):
            self._lay_hand(view, hand, sprite, fingertip, (frame_index, top, left))
        return view if self._light is None else _shaded(view, self._light[frame_index])

    def _lay_hand(
        self, view: Pixels, hand: Hand, sprite: Sprite, fingertip: float, at: tuple[int, int, int]
    ) -> None:
        """Lay a hand over a view, `at` (frame, top, left)."""
        frame_index, top, left = at
        object_index = int(hand.object_index[frame_index])
        if object_index < 0:
            return
        down, across = object_middle(self._script, object_index)
        offset_down, offset_across = hand.offset[frame_index]
        corner_down = down + offset_down - (HAND_HALF_HEIGHT + FINGERTIP[1]) * UNIT
        corner_across = across + offset_across - (HAND_HALF_WIDTH + fingertip) * UNIT
        sprite.paste(view, self._pixels(corner_down) - top, self._pixels(corner_across) - left)


def _shaded(picture: Pixels, shade: Floats | None) -> Pixels:
    """Return a picture [H, W, 3] times `shade`, which broadcasts; a copy of it for None."""
    if shade is None:
        return picture.copy()
    return np.asarray(np.minimum(picture * shade, np.float32(255)), np.uint8)
