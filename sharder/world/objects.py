"""Pictures of the objects: a kind is told by outline and texture, the state by four large signs.

Colours are drawn per object and tell nothing; `signs.py` has the signs.
"""

from __future__ import annotations

import numpy as np

from sharder.world.builds import DARK, Build, Palette
from sharder.world.canvas import Canvas, Floats, Sprite, capsule, ellipse
from sharder.world.looks import LOOKS, Look
from sharder.world.signs import SHARED, Signs, paint_halo, paint_item, paint_lid, paint_window
from sharder.world.vocabulary import State

HALF_EXTENT = 1.5
"""A sprite reaches 1.5 units from its middle; the body itself is within 1 unit or so."""


def draw_object(
    noun: str,
    state: State,
    palette: Palette,
    build: Build,
    pixels_per_unit: float,
    signs: Signs = SHARED,
) -> Sprite:
    """Return the picture of an object in a state, 3 by 3 units of its own size.

    `noun` gives the body, `signs` the signs of its state.
    """
    is_open, is_on, has_item, is_full = state
    look = LOOKS[noun]
    canvas = _canvas(build, pixels_per_unit)
    if is_on:
        paint_halo(canvas, palette, build.glow, signs)
    else:
        _paint_shadow(canvas)
    _paint_limbs(canvas, noun, palette, is_on)
    _paint_body(canvas, look, palette, build, is_on)
    paint_window(canvas, palette, build.levels[is_full], signs)
    paint_lid(canvas, palette, look, is_open, signs)
    if has_item:
        paint_item(canvas, palette, signs)
    return canvas.finish()


def draw_thing(look: Look, palette: Palette, build: Build, pixels_per_unit: float) -> Sprite:
    """Return the picture of a body without lid, window or any state, 3 by 3 units."""
    canvas = _canvas(build, pixels_per_unit)
    _paint_shadow(canvas)
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


def _paint_shadow(canvas: Canvas) -> None:
    shadow = ellipse(canvas.x, canvas.y, (0.0, 1.0), (1.2, 0.16))
    canvas.glaze(np.clip(-shadow * 5.0, 0.0, 0.5), DARK)


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
