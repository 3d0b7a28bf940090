"""Script -> frames. Frame k is on screen during [k / fps, (k + 1) / fps).

The whole panorama, objects included, is kept painted; a state change repaints one object, and
a frame is a window cut out of it with the hand laid over.
"""

from __future__ import annotations

from collections.abc import Iterator

from sharder.world.canvas import Pixels
from sharder.world.motion import (
    PANORAMA_HEIGHT,
    gaze_path,
    hand_path,
    object_middle,
    panorama_width,
)
from sharder.world.objects import HALF_EXTENT, draw_object, draw_palette
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
    changes = {
        contact_frame(script, action.seconds): (action.object_index, action.state_after)
        for action in script.interactions
    }
    for frame_index in range(script.settings.num_frames):
        if frame_index in changes:
            scene.change(*changes[frame_index])
        yield scene.frame(frame_index)


class Scene:
    """The painted panorama in its present state, and the ways of gaze and hand."""

    def __init__(self, script: Script) -> None:
        self._script = script
        self._height = script.settings.height
        self._gaze = gaze_path(script)
        self._hand = hand_path(script)
        self._empty = draw_room(
            script.generator("room"),
            self._pixels(PANORAMA_HEIGHT),
            self._pixels(panorama_width(script)),
        )
        self._panorama = self._empty.copy()
        self._hand_sprite = draw_hand(script.generator("skin"), self._pixels_per_unit)
        self._palettes = [
            draw_palette(script.generator(f"palette {index}"))
            for index in range(len(script.objects))
        ]
        for index, item in enumerate(script.objects):
            self.change(index, item.initial_state)

    @property
    def _pixels_per_unit(self) -> float:
        return UNIT * self._height

    def _pixels(self, frame_heights: float) -> int:
        return round(frame_heights * self._height)

    def change(self, object_index: int, state: State) -> None:
        """Repaint one object in a new state."""
        noun = self._script.objects[object_index].noun
        sprite = draw_object(noun, state, self._palettes[object_index], self._pixels_per_unit)
        down, across = object_middle(self._script, object_index)
        top = self._pixels(down - HALF_EXTENT * UNIT)
        left = self._pixels(across - HALF_EXTENT * UNIT)
        rows = slice(top, top + sprite.keep.shape[0])
        columns = slice(left, left + sprite.keep.shape[1])
        self._panorama[rows, columns] = self._empty[rows, columns]
        sprite.paste(self._panorama, top, left)

    def frame(self, frame_index: int) -> Pixels:
        """Return what is seen at one frame, uint8 [height, width, 3]."""
        settings = self._script.settings
        down, across = self._gaze[frame_index]
        top = self._pixels(down - 0.5)
        left = self._pixels(across) - settings.width // 2
        limit = self._panorama.shape[1] - settings.width
        left = min(max(left, 0), limit)
        view = self._panorama[top : top + settings.height, left : left + settings.width].copy()
        self._lay_hand(view, frame_index, top, left)
        return view

    def _lay_hand(self, view: Pixels, frame_index: int, top: int, left: int) -> None:
        object_index = int(self._hand.object_index[frame_index])
        if object_index < 0:
            return
        down, across = object_middle(self._script, object_index)
        offset_down, offset_across = self._hand.offset[frame_index]
        corner_down = down + offset_down - (HAND_HALF_HEIGHT + FINGERTIP[1]) * UNIT
        corner_across = across + offset_across - (HAND_HALF_WIDTH + FINGERTIP[0]) * UNIT
        self._hand_sprite.paste(
            view, self._pixels(corner_down) - top, self._pixels(corner_across) - left
        )
