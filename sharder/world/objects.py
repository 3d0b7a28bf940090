"""Pictures of the objects: a kind is told by outline and texture, the state by four large signs.

    is_open    lid raised and a dark mouth       | lid on
    is_on      bright halo, bright body          | no halo, dim body
    has_item   a large ball beside the object    | nothing there
    is_full    a bright filled window            | a dark empty window

Colours are drawn per object and tell nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sharder.world.canvas import Canvas, Floats, Sprite, box, capsule, ellipse, hsv
from sharder.world.looks import LOOKS, Look
from sharder.world.vocabulary import State

HALF_EXTENT = 1.5
"""A sprite reaches 1.5 units from its middle; the body itself is within 1 unit or so."""

_DARK = np.array([0.02, 0.02, 0.03], np.float32)
_FRAME = np.array([0.93, 0.93, 0.9], np.float32)


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
        window=_DARK + variety * hsv(chance.random(), chance.random(), chance.uniform(0.0, 0.8)),
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


def draw_object(
    noun: str, state: State, palette: Palette, build: Build, pixels_per_unit: float
) -> Sprite:
    """Return the picture of an object in a state, 3 by 3 units of its own size."""
    is_open, is_on, has_item, is_full = state
    look = LOOKS[noun]
    canvas = _canvas(build, pixels_per_unit)
    _paint_surroundings(canvas, palette, build, is_on)
    _paint_limbs(canvas, noun, palette, is_on)
    _paint_body(canvas, look, palette, build, is_on)
    _paint_window(canvas, palette, build.levels[is_full])
    _paint_lid(canvas, look, palette, is_open)
    if has_item:
        _paint_item(canvas, palette)
    return canvas.finish()


def draw_thing(look: Look, palette: Palette, build: Build, pixels_per_unit: float) -> Sprite:
    """Return the picture of a body without lid, window or any state, 3 by 3 units."""
    canvas = _canvas(build, pixels_per_unit)
    _paint_surroundings(canvas, palette, build, is_on=False)
    _paint_body(canvas, look, palette, build, is_on=False)
    return canvas.finish()


def _canvas(build: Build, pixels_per_unit: float) -> Canvas:
    canvas = Canvas(
        half_width=HALF_EXTENT,
        half_height=HALF_EXTENT,
        pixels_per_unit=pixels_per_unit * build.size,
    )
    canvas.x = np.asarray(canvas.x / build.stretch, np.float32)
    return canvas


def _paint_surroundings(canvas: Canvas, palette: Palette, build: Build, is_on: bool) -> None:
    """Paint a shadow on the table, or the halo."""
    if is_on:
        radius = np.hypot(canvas.x, canvas.y - 0.05)
        canvas.glaze(np.clip((1.48 - radius) / 0.5, 0.0, build.glow), palette.halo)
    else:
        shadow = ellipse(canvas.x, canvas.y, (0.0, 1.0), (1.2, 0.16))
        canvas.glaze(np.clip(-shadow * 5.0, 0.0, 0.5), _DARK)


def _lit(colour: Floats, is_on: bool) -> Floats:
    return np.clip(colour * 1.1 + 0.1, 0.0, 1.0) if is_on else colour * np.float32(0.72)


def _paint_limbs(canvas: Canvas, noun: str, palette: Palette, is_on: bool) -> None:
    """Paint what sticks out of the outline: the pan's handle, the kettle's spout."""
    x, y = canvas.x, canvas.y
    if noun == "pan":
        limb = capsule(x, y, (0.9, 0.3), (1.42, 0.0), 0.1)
    elif noun == "kettle":
        limb = capsule(x, y, (0.6, 0.4), (1.15, -0.3), 0.14)
    else:
        return
    canvas.fill(limb, _lit(palette.dark, is_on))


def _paint_body(canvas: Canvas, look: Look, palette: Palette, build: Build, is_on: bool) -> None:
    half_width = np.interp(canvas.y, look.heights, look.half_widths).astype(np.float32)
    sides = np.abs(canvas.x) - half_width
    ends = np.maximum(look.heights[0] - canvas.y, canvas.y - look.heights[-1])
    outline = np.maximum(sides, ends)
    pattern = _pattern(canvas, look, build)[:, :, None].astype(np.float32)
    canvas.fill(outline, palette.dark * np.float32(0.4))
    canvas.fill(outline + 0.05, _lit(palette.light * (1 - pattern) + palette.dark * pattern, is_on))


def _pattern(canvas: Canvas, look: Look, build: Build) -> Floats:
    cosine = np.cos(build.pattern_turn) * build.pattern_scale
    sine = np.sin(build.pattern_turn) * build.pattern_scale
    x = np.asarray(canvas.x * cosine + canvas.y * sine, np.float32)
    y = np.asarray(canvas.y * cosine - canvas.x * sine, np.float32)
    return look.texture(x, y) * np.float32(build.contrast)


def _paint_window(canvas: Canvas, palette: Palette, level: float) -> None:
    """Paint a framed window with the filling behind it, `level` units half high."""
    x, y = canvas.x, canvas.y
    canvas.fill(box(x, y, (0.0, 0.52), (0.42, 0.42)), _FRAME)
    canvas.fill(box(x, y, (0.0, 0.52), (0.35, 0.35)), palette.window)
    canvas.fill(box(x, y, (0.0, 0.87 - level), (0.35, level)), palette.liquid)


def _paint_lid(canvas: Canvas, look: Look, palette: Palette, is_open: bool) -> None:
    x, y, top = canvas.x, canvas.y, look.heights[0]
    if is_open:
        canvas.fill(ellipse(x, y, (0.0, top), (look.mouth + 0.06, 0.26)), _FRAME)
        canvas.fill(ellipse(x, y, (0.0, top), (look.mouth, 0.2)), palette.window)
        y = np.asarray(y + 0.25 * x + 0.42, np.float32)
    canvas.fill(box(x, y, (0.0, top - 0.1), (look.mouth + 0.05, 0.14)), palette.lid * 0.5)
    canvas.fill(box(x, y, (0.0, top - 0.1), (look.mouth, 0.09)), palette.lid)
    canvas.fill(ellipse(x, y, (0.0, top - 0.29), (0.12, 0.1)), palette.lid * 0.5)


def _paint_item(canvas: Canvas, palette: Palette) -> None:
    x, y = canvas.x, canvas.y
    canvas.fill(ellipse(x, y, (-1.05, 0.72), (0.42, 0.42)), _DARK)
    canvas.fill(ellipse(x, y, (-1.05, 0.72), (0.37, 0.37)), palette.item)
    canvas.fill(ellipse(x, y, (-1.15, 0.58), (0.12, 0.12)), _FRAME)
