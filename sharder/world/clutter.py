"""Nameless things that stand about: outlines of no kind, in the patterns of all kinds."""

from __future__ import annotations

import numpy as np

from sharder.world.canvas import Pixels, Sprite
from sharder.world.looks import LOOKS, Look
from sharder.world.motion import PANORAMA_HEIGHT
from sharder.world.objects import draw_build, draw_palette, draw_thing

BANDS = ((0.3, 0.6, 0.3, 0.6), (0.8, 0.9, 0.4, 0.9), (0.82, 0.92, 0.4, 0.9), (1.12, 1.3, 0.3, 0.5))
"""(highest base, lowest base, least size, most size) on the wall, behind and before the objects.

Bases in frame heights from the panorama's top, sizes over those of objects.
"""


def add_clutter(
    chance: np.random.Generator, room: Pixels, mean_count: int, pixels_per_unit: float
) -> None:
    """Paint things onto a room, uint8 [H, W, 3], in place; the ones in front last."""
    frame_height = room.shape[0] / PANORAMA_HEIGHT
    things = []
    for _ in range(chance.poisson(mean_count)):
        high, low, least, most = BANDS[int(chance.integers(len(BANDS)))]
        base = chance.uniform(high, low) * frame_height
        things.append((base, chance.uniform(0.0, room.shape[1]), chance.uniform(least, most)))
    for base, across, size in sorted(things):
        sprite = _draw(chance, pixels_per_unit * size)
        # The base is 1 unit below the middle of a picture of 3 by 3 units.
        top = round(base - pixels_per_unit * size - sprite.keep.shape[0] / 2)
        sprite.paste(room, top, round(across - sprite.keep.shape[1] / 2))


def _draw(chance: np.random.Generator, pixels_per_unit: float) -> Sprite:
    knots = int(chance.integers(2, 6))
    heights = np.linspace(chance.uniform(-0.9, 0.3), 1.0, knots)
    texture = LOOKS[str(chance.choice(list(LOOKS)))].texture
    look = Look(
        heights=tuple(heights),
        half_widths=tuple(chance.uniform(0.25, 1.15, knots)),
        mouth=0.0,
        texture=texture,
    )
    return draw_thing(look, draw_palette(chance, 1.0), draw_build(chance, 1.0), pixels_per_unit)
