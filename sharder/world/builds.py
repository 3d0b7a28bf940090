"""What tells one object from another of its kind: colours, size, proportions. All of it random."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sharder.world.canvas import Floats, hsv

DARK = np.array([0.02, 0.02, 0.03], np.float32)


@dataclass(frozen=True, kw_only=True)
class Palette:
    """The colours of one object, each float32 [3] in [0, 1]."""

    light: Floats
    dark: Floats
    lid: Floats
    item: Floats
    liquid: Floats
    halo: Floats
    window: Floats


@dataclass(frozen=True, kw_only=True)
class Build:
    """What tells one object from another of its kind, besides colours."""

    size: float = 1.0
    """Over that of the kind, at most 1."""

    stretch: float = 1.0
    """Width over that of the kind, at most 1."""

    pattern_scale: float = 1.0
    """How fine the texture is."""

    pattern_turn: float = 0.0
    """By how much the texture is turned, in radians."""

    contrast: float = 1.0
    """Of the texture, 1 for all of it."""

    glow: float = 0.92
    """Opacity of the halo."""

    levels: tuple[float, float] = (0.03, 0.32)
    """Half heights of the filling when empty and when full."""


def draw_palette(chance: np.random.Generator, variety: float) -> Palette:
    """Return random colours that contrast with each other.

    With a `variety` above 0 what is put or filled in may also darken a picture.
    """
    hue = chance.random()
    saturation = chance.uniform(0.35, 0.85)
    return Palette(
        light=hsv(hue, saturation * 0.6, chance.uniform(0.75, 0.9)),
        dark=hsv(hue + chance.uniform(-0.1, 0.1), saturation, chance.uniform(0.25, 0.4)),
        lid=hsv(chance.random(), chance.uniform(0.4, 0.8), chance.uniform(0.5, 0.75)),
        item=hsv(
            chance.random(), chance.uniform(0.8, 1.0), chance.uniform(0.85 - 0.6 * variety, 1.0)
        ),
        liquid=hsv(
            chance.random(), chance.uniform(0.5, 0.9), chance.uniform(0.9 - 0.6 * variety, 1.0)
        ),
        halo=hsv(chance.uniform(0.08, 0.18), chance.uniform(0.2, 0.5), 1.0),
        window=DARK + variety * hsv(chance.random(), chance.random(), chance.uniform(0.0, 0.8)),
    )


def draw_build(chance: np.random.Generator, variety: float) -> Build:
    """Return a random build; with a `variety` of 0 the plain one."""
    part = chance.uniform(0.0, variety, 6)
    pattern, turn = chance.uniform(-variety, variety, 2)
    return Build(
        size=float(1.0 - 0.3 * part[0]),
        stretch=float(1.0 - 0.25 * part[1]),
        pattern_scale=float(np.exp(0.35 * pattern)),
        pattern_turn=float(0.5 * turn),
        contrast=float(1.0 - 0.6 * part[2]),
        glow=float(0.92 - 0.6 * part[3]),
        levels=(float(0.03 + 0.07 * part[4]), float(0.32 - 0.1 * part[5])),
    )
