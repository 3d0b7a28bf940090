"""The kinds of object, as they look: an outline and a texture each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from sharder.world.canvas import Floats

Texture = Callable[[Floats, Floats], Floats]


@dataclass(frozen=True, kw_only=True)
class Look:
    """Outline and texture of a kind of object."""

    heights: tuple[float, ...]
    """y of the outline's knots, from the mouth down to the base."""

    half_widths: tuple[float, ...]
    """Half width of the body at each knot."""

    mouth: float
    """Half width of the lid and of the dark mouth under it."""

    texture: Texture
    """(x, y) -> [H, W] in [0, 1], 0 for the light colour and 1 for the dark."""


def _checker(x: Floats, y: Floats) -> Floats:
    return np.asarray((np.floor(x / 0.28 + 0.5) + np.floor(y / 0.28)) % 2, np.float32)


def _stripes(x: Floats, y: Floats) -> Floats:
    return np.asarray(np.floor(x / 0.2 + 0.5 + 0 * y) % 2, np.float32)


def _rings(x: Floats, y: Floats) -> Floats:
    return np.asarray(np.floor(y / 0.2 + 0 * x) % 2, np.float32)


def _dots(x: Floats, y: Floats) -> Floats:
    across = (x / 0.42) % 1.0 - 0.5
    down = (y / 0.42) % 1.0 - 0.5
    return np.asarray(np.hypot(across, down) < 0.3, np.float32)


def _diagonals(x: Floats, y: Floats) -> Floats:
    return np.asarray(np.floor((x + y) / 0.28) % 2, np.float32)


def _chevrons(x: Floats, y: Floats) -> Floats:
    return np.asarray(np.floor((y - np.abs(x) * 1.1) / 0.25) % 2, np.float32)


def _grid(x: Floats, y: Floats) -> Floats:
    lines = ((x / 0.36 + 0.5) % 1.0 < 0.3) | ((y / 0.36) % 1.0 < 0.3)
    return np.asarray(lines, np.float32)


def _halves(x: Floats, y: Floats) -> Floats:
    return np.asarray(x + 0 * y > 0, np.float32)


LOOKS = {
    "box": Look(heights=(-0.6, 1.0), half_widths=(0.85, 0.85), mouth=0.8, texture=_checker),
    "drum": Look(heights=(-0.1, 1.0), half_widths=(1.12, 1.12), mouth=0.95, texture=_stripes),
    "jar": Look(
        heights=(-0.65, -0.4, 0.2, 0.7, 1.0),
        half_widths=(0.45, 0.72, 0.92, 0.78, 0.5),
        mouth=0.55,
        texture=_rings,
    ),
    "pan": Look(heights=(0.02, 0.8, 1.0), half_widths=(1.0, 0.95, 0.8), mouth=0.9, texture=_dots),
    "kettle": Look(
        heights=(-0.5, -0.3, 1.0), half_widths=(0.4, 0.5, 1.05), mouth=0.5, texture=_diagonals
    ),
    "bell": Look(
        heights=(-0.7, -0.5, 0.3, 0.75, 1.0),
        half_widths=(0.3, 0.5, 0.6, 0.95, 1.15),
        mouth=0.45,
        texture=_chevrons,
    ),
    "bowl": Look(
        heights=(-0.2, 0.2, 0.6, 0.85, 0.86, 1.0),
        half_widths=(1.12, 1.0, 0.75, 0.45, 0.6, 0.6),
        mouth=1.0,
        texture=_grid,
    ),
    "bottle": Look(
        heights=(-0.68, -0.3, -0.02, 1.0),
        half_widths=(0.24, 0.24, 0.55, 0.55),
        mouth=0.4,
        texture=_halves,
    ),
}
