"""Soft-edged painting with numpy: signed distances in, a premultiplied RGBA picture out.

Coordinates are in units (an object's body is about 2 units high), x to the right, y downwards.
A signed distance is negative inside a shape.
"""

from __future__ import annotations

import colorsys
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Pixels = npt.NDArray[np.uint8]

OVERSAMPLING = 2


@dataclass(frozen=True, kw_only=True)
class Sprite:
    """A picture to lay over another: `below * keep + colour`."""

    colour: Floats
    """Premultiplied RGB, float32 [H, W, 3], in [0, 255]."""

    keep: Floats
    """How much of what lies below shows through, float32 [H, W, 1], in [0, 1]."""

    def paste(self, target: Pixels, top: int, left: int) -> None:
        """Lay the sprite over `target`, uint8 [H, W, 3], in place; what lies outside is cut."""
        height, width = self.keep.shape[:2]
        rows = slice(max(top, 0), min(top + height, target.shape[0]))
        columns = slice(max(left, 0), min(left + width, target.shape[1]))
        if rows.start >= rows.stop or columns.start >= columns.stop:
            return
        own_rows = slice(rows.start - top, rows.stop - top)
        own_columns = slice(columns.start - left, columns.stop - left)
        region = target[rows, columns] * self.keep[own_rows, own_columns]
        region += self.colour[own_rows, own_columns]
        target[rows, columns] = region

    def mirrored(self) -> Sprite:
        """Return the picture with left and right exchanged."""
        return Sprite(
            colour=np.ascontiguousarray(self.colour[:, ::-1]),
            keep=np.ascontiguousarray(self.keep[:, ::-1]),
        )


class Canvas:
    """A picture being painted, layer over layer."""

    def __init__(self, *, half_width: float, half_height: float, pixels_per_unit: float) -> None:
        self._scale = pixels_per_unit * OVERSAMPLING
        rows = 2 * round(half_height * pixels_per_unit) * OVERSAMPLING
        columns = 2 * round(half_width * pixels_per_unit) * OVERSAMPLING
        self.y: Floats = ((np.arange(rows) + 0.5 - rows / 2) / self._scale).astype(np.float32)[
            :, None
        ]
        self.x: Floats = ((np.arange(columns) + 0.5 - columns / 2) / self._scale).astype(
            np.float32
        )[None, :]
        self._colour = np.zeros((rows, columns, 3), np.float32)
        self._keep = np.ones((rows, columns, 1), np.float32)

    def fill(self, distance: Floats, colour: Floats) -> None:
        """Paint the inside of a shape; `colour` is [3] or [H, W, 3], in [0, 1]."""
        self.glaze(np.clip(0.5 - distance * self._scale, 0.0, 1.0), colour)

    def glaze(self, alpha: Floats, colour: Floats) -> None:
        """Paint with a given opacity, [H, W] in [0, 1]."""
        cover = alpha[:, :, None]
        self._colour = self._colour * (1 - cover) + colour * cover
        self._keep = self._keep * (1 - cover)

    def finish(self) -> Sprite:
        """Return the picture at its final resolution."""
        return Sprite(colour=_shrink(self._colour) * 255, keep=_shrink(self._keep))


def _shrink(picture: Floats) -> Floats:
    rows, columns, channels = picture.shape
    blocks = picture.reshape(
        rows // OVERSAMPLING, OVERSAMPLING, columns // OVERSAMPLING, OVERSAMPLING, channels
    )
    return np.asarray(blocks.mean(axis=(1, 3)), np.float32)


def hsv(hue: float, saturation: float, value: float) -> Floats:
    """Return a colour, float32 [3] in [0, 1]; the hue goes round at 1."""
    return np.array(colorsys.hsv_to_rgb(hue % 1.0, saturation, value), np.float32)


def box(x: Floats, y: Floats, centre: tuple[float, float], half: tuple[float, float]) -> Floats:
    """Return the signed distance to an upright rectangle."""
    distance = np.maximum(np.abs(x - centre[0]) - half[0], np.abs(y - centre[1]) - half[1])
    return np.asarray(distance, np.float32)


def ellipse(x: Floats, y: Floats, centre: tuple[float, float], half: tuple[float, float]) -> Floats:
    """Return about the signed distance to an upright ellipse (exact for a circle)."""
    radius = np.hypot((x - centre[0]) / half[0], (y - centre[1]) / half[1])
    return np.asarray((radius - 1.0) * min(half), np.float32)


def capsule(
    x: Floats, y: Floats, start: tuple[float, float], stop: tuple[float, float], radius: float
) -> Floats:
    """Return the signed distance to a thick line with round ends."""
    dx, dy = stop[0] - start[0], stop[1] - start[1]
    along = ((x - start[0]) * dx + (y - start[1]) * dy) / (dx * dx + dy * dy)
    along = np.clip(along, 0.0, 1.0)
    distance = np.hypot(x - start[0] - along * dx, y - start[1] - along * dy) - radius
    return np.asarray(distance, np.float32)
