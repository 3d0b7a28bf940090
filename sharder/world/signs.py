"""How a state shows on an object: four large signs.

    is_open    lid raised and a dark mouth       | lid on
    is_on      bright halo                       | none
    has_item   a large ball beside the object    | nothing there
    is_full    a bright filled window            | a dark empty window

All kinds share them, or each has its own: another outline of what glows, is put there or filled
in, another side for what is put, another way for the lid to go.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from sharder.world.builds import DARK, Palette
from sharder.world.canvas import Canvas, Floats, box, ellipse
from sharder.world.looks import Look

Outline = Callable[[Floats, Floats], Floats]
"""(x, y) -> signed distance to an outline, within a unit or so of its middle."""

_FRAME = np.array([0.93, 0.93, 0.9], np.float32)


@dataclass(frozen=True, kw_only=True)
class Signs:
    """What differs in the signs of one kind."""

    outline: Outline | None = None
    """Of halo, item and filling; None for a round halo, a ball, and a level that rises."""

    item_side: int = -1
    """Where an item is put: -1 left of the body, 1 right."""

    lid_shift: tuple[float, float] = (0.0, -0.42)
    """(across, down) in units; the slope, about the body's middle, adds `lid_slope * across`."""

    lid_slope: float = -0.25
    """Units that an open lid falls for each unit to the right."""


def _disc(x: Floats, y: Floats) -> Floats:
    return ellipse(x, y, (0.0, 0.0), (1.0, 1.0))


def _square(x: Floats, y: Floats) -> Floats:
    return box(x, y, (0.0, 0.0), (0.85, 0.85))


def _diamond(x: Floats, y: Floats) -> Floats:
    return np.asarray((np.abs(x) + np.abs(y) - 1.15) * np.float32(0.71), np.float32)


def _ring(x: Floats, y: Floats) -> Floats:
    return np.asarray(np.abs(_disc(x, y) + 0.22) - 0.22, np.float32)


def _triangle(x: Floats, y: Floats) -> Floats:
    return np.asarray(np.maximum(y - 0.75, 0.88 * np.abs(x) - 0.47 * y - 0.47), np.float32)


def _plus(x: Floats, y: Floats) -> Floats:
    upright, level = box(x, y, (0.0, 0.0), (0.36, 1.0)), box(x, y, (0.0, 0.0), (1.0, 0.36))
    return np.minimum(upright, level)


def _level_bars(x: Floats, y: Floats) -> Floats:
    return np.maximum(_square(x, y), np.asarray(0.24 - np.abs(y), np.float32))


def _upright_bars(x: Floats, y: Floats) -> Floats:
    return np.maximum(_square(x, y), np.asarray(0.24 - np.abs(x), np.float32))


SHARED = Signs()
OWN = {
    "box": Signs(outline=_square),
    "drum": Signs(outline=_plus, item_side=1, lid_shift=(0.0, -0.48), lid_slope=0.0),
    "jar": Signs(outline=_ring, lid_shift=(0.75, 0.05), lid_slope=0.0),
    "pan": Signs(outline=_diamond, lid_shift=(0.0, -0.36), lid_slope=0.35),
    "kettle": Signs(outline=_level_bars, lid_shift=(0.75, -0.2), lid_slope=0.9),
    "bell": Signs(outline=_triangle, item_side=1, lid_shift=(-0.7, 0.0), lid_slope=-0.9),
    "bowl": Signs(outline=_disc, item_side=1, lid_shift=(-0.42, -0.1), lid_slope=-0.35),
    "bottle": Signs(outline=_upright_bars, item_side=1, lid_shift=(0.35, -0.25), lid_slope=0.6),
}
"""The own signs of each kind."""


def paint_halo(canvas: Canvas, palette: Palette, glow: float, signs: Signs) -> None:
    """Paint what shines behind an object that is on, `glow` opaque in the middle."""
    if signs.outline is None:
        beyond = np.hypot(canvas.x, canvas.y - 0.05) - np.float32(1.48)
    else:
        beyond = _scaled(signs.outline, canvas.x, canvas.y - 0.05, 1.23) - 0.25
    canvas.glaze(np.clip(-beyond / 0.5, 0.0, glow), palette.halo)


def paint_window(canvas: Canvas, palette: Palette, level: float, signs: Signs) -> None:
    """Paint a framed window with the filling behind it, `level` units half high."""
    x, y = canvas.x, canvas.y
    canvas.fill(box(x, y, (0.0, 0.52), (0.42, 0.42)), _FRAME)
    canvas.fill(box(x, y, (0.0, 0.52), (0.35, 0.35)), palette.window)
    if signs.outline is None:
        filling = box(x, y, (0.0, 0.87 - level), (0.35, level))
    else:
        filling = _scaled(signs.outline, x, y - np.float32(0.52), level + 0.06)
    canvas.fill(filling, palette.liquid)


def paint_lid(canvas: Canvas, palette: Palette, look: Look, is_open: bool, signs: Signs) -> None:
    """Paint the lid on the mouth, or the dark mouth and the lid where it has gone."""
    x, y, top = canvas.x, canvas.y, look.heights[0]
    if is_open:
        canvas.fill(ellipse(x, y, (0.0, top), (look.mouth + 0.06, 0.26)), _FRAME)
        canvas.fill(ellipse(x, y, (0.0, top), (look.mouth, 0.2)), palette.window)
        across, down = signs.lid_shift
        y = np.asarray(y - signs.lid_slope * x - down, np.float32)
        x = np.asarray(x - across, np.float32)
    canvas.fill(box(x, y, (0.0, top - 0.1), (look.mouth + 0.05, 0.14)), palette.lid * 0.5)
    canvas.fill(box(x, y, (0.0, top - 0.1), (look.mouth, 0.09)), palette.lid)
    canvas.fill(ellipse(x, y, (0.0, top - 0.29), (0.12, 0.1)), palette.lid * 0.5)


def paint_item(canvas: Canvas, palette: Palette, signs: Signs) -> None:
    """Paint what was put there."""
    x, y, across = canvas.x, canvas.y, 1.05 * signs.item_side
    for size, colour in ((0.42, DARK), (0.37, palette.item)):
        if signs.outline is None:
            distance = ellipse(x, y, (across, 0.72), (size, size))
        else:
            distance = _scaled(signs.outline, x - np.float32(across), y - np.float32(0.72), size)
        canvas.fill(distance, colour)
    canvas.fill(ellipse(x, y, (across - 0.1, 0.58), (0.12, 0.12)), _FRAME)


def _scaled(outline: Outline, x: Floats, y: Floats, size: float) -> Floats:
    scale = np.float32(size)
    return np.asarray(outline(x / scale, y / scale) * scale, np.float32)
