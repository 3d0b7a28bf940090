"""The room: a wall and a table top, wider and higher than a frame; and the hand."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from sharder.world.canvas import Canvas, Floats, Pixels, Sprite, capsule, ellipse, hsv

TABLE_EDGE = 0.56
"""Where the wall meets the table, as a part of the panorama's height."""

HAND_HALF_WIDTH = 0.75
HAND_HALF_HEIGHT = 1.6
FINGERTIP = (-0.35, -1.5)
"""Half extents of the hand's picture, and the touching fingertip in it, in units."""


def draw_room(chance: np.random.Generator, height: int, width: int) -> Pixels:
    """Return an empty room with a table, uint8 [height, width, 3]."""
    edge = round(height * TABLE_EDGE)
    wall = _surface(chance, edge, width, saturation=(0.05, 0.35), value=(0.4, 0.75))
    table = _surface(chance, height - edge, width, saturation=(0.25, 0.5), value=(0.3, 0.6))
    table[: max(2, height // 60)] *= 0.55
    room = np.concatenate([wall, table])
    return np.asarray(np.clip(room, 0.0, 1.0) * 255, np.uint8)


def _surface(
    chance: np.random.Generator,
    height: int,
    width: int,
    *,
    saturation: tuple[float, float],
    value: tuple[float, float],
) -> Floats:
    """Return a plane with grain, blotches and joints, float32 [height, width, 3]."""
    colour = hsv(chance.random(), chance.uniform(*saturation), chance.uniform(*value))
    blotches = value_noise(chance, height, width, cell=chance.uniform(20, 50))
    grain = value_noise(chance, height, width, cell=(2.5, chance.uniform(3, 30)))
    shade = 1.0 + 0.25 * (blotches - 0.5) + 0.15 * (grain - 0.5)
    shade *= 1.0 - chance.uniform(0.1, 0.3) * _joints(chance, height, width)
    return np.asarray(shade[:, :, None] * colour, np.float32)


def value_noise(
    chance: np.random.Generator, height: int, width: int, cell: float | tuple[float, float]
) -> Floats:
    """Return smooth noise in [0, 1], float32 [height, width]; `cell` in pixels, (down, across)."""
    down, across = cell if isinstance(cell, tuple) else (cell, cell)
    knots = chance.random((int(height / down) + 2, int(width / across) + 2), np.float32)
    rows = np.arange(height)[:, None] / down
    columns = np.arange(width)[None, :] / across
    places = np.broadcast_arrays(rows, columns)
    return np.asarray(ndimage.map_coordinates(knots, places, order=1), np.float32)


def _joints(chance: np.random.Generator, height: int, width: int) -> Floats:
    """Return the lines between tiles, bricks or planks, 1 on a line: float32 [height, width]."""
    down, across = chance.integers(16, 48), chance.integers(24, 90)
    row, column = np.arange(height)[:, None], np.arange(width)[None, :]
    course = row // down
    shift = chance.choice([0.0, 0.5, 0.37]) * across
    lines = (row % down < 1) | ((column + course * shift) % across < 1)
    return np.asarray(lines, np.float32)


def draw_hand(chance: np.random.Generator, pixels_per_unit: float) -> Sprite:
    """Return a hand that reaches up from below, with its sleeve."""
    canvas = Canvas(
        half_width=HAND_HALF_WIDTH, half_height=HAND_HALF_HEIGHT, pixels_per_unit=pixels_per_unit
    )
    skin = hsv(chance.uniform(0.03, 0.09), chance.uniform(0.3, 0.6), chance.uniform(0.4, 0.95))
    sleeve = hsv(chance.random(), chance.uniform(0.2, 0.8), chance.uniform(0.2, 0.7))
    for scale, growth in ((np.float32(0.6), 0.03), (np.float32(1.0), 0.0)):
        _paint_hand(canvas, skin * scale, sleeve * scale, growth)
    return canvas.finish()


def _paint_hand(canvas: Canvas, skin: Floats, sleeve: Floats, growth: float) -> None:
    x, y = canvas.x, canvas.y
    canvas.fill(capsule(x, y, (0.0, -0.5), (0.35, 1.6), 0.24 + growth), skin)
    canvas.fill(capsule(x, y, (0.2, 0.6), (0.4, 2.0), 0.3 + growth), sleeve)
    canvas.fill(ellipse(x, y, (-0.03, -0.72), (0.33 + growth, 0.36 + growth)), skin)
    tips = ((-0.35, -1.4), (-0.13, -1.45), (0.09, -1.38), (0.29, -1.22))
    for finger, tip in enumerate(tips):
        canvas.fill(capsule(x, y, (-0.24 + 0.14 * finger, -0.8), tip, 0.085 + growth), skin)
    canvas.fill(capsule(x, y, (-0.25, -0.6), (-0.58, -0.95), 0.095 + growth), skin)
