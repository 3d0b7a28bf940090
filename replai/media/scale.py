"""Crop, scale, turn, flip and colour conversion of one frame, in one pass of libav filters."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from av.filter import Graph
from av.filter.context import FilterContext
from av.video.frame import VideoFrame
from av.video.plane import VideoPlane
from numpy.typing import NDArray

from replai.core.errors import SampleError
from replai.media.rotation import TURNS, buffer_arguments, quarter_turns

# Bilinear widens its kernel when it shrinks, so it does not alias. Without full_chroma_int and
# accurate_rnd swscale's RGB is up to 3 levels too dark; bitexact: the same on every processor.
_FLAGS = "bilinear+full_chroma_int+accurate_rnd+bitexact"
# Planes: swscale has SIMD code to write these, and none to write rgb24 with full chroma.
_FORMAT, _RGB_PLANES = "gbrp", (2, 0, 1)
# Chroma of 4:2:0 video has one sample for 2 x 2 pixels: crops start on whole ones.
_CHROMA_PIXELS = 2


@dataclass(frozen=True)
class Geometry:
    """A crop in source pixels, then a size in output pixels, then a left-right flip.

    The crop is snapped to even pixels, at most one pixel away (or to the frame's own edge), as
    the chroma of 4:2:0 video requires. Source pixels are those of the frame as displayed: turned
    upright, where the file says that it is to be turned.
    """

    crop_left: float
    crop_top: float
    crop_width: float
    crop_height: float
    out_height: int
    out_width: int
    flip: bool

    def __post_init__(self) -> None:
        if min(self.crop_width, self.crop_height) <= 0 or min(self.out_shape) < 1:
            raise ValueError(f"a crop and its output have positive sizes; got {self}")

    @property
    def out_shape(self) -> tuple[int, int, int]:
        """(3, out_height, out_width)."""
        return (3, self.out_height, self.out_width)


class Scaler:
    """Scales frames by one geometry. The filter graph is built once per kind of frame."""

    def __init__(self, geometry: Geometry) -> None:
        self._geometry = geometry
        self._source: tuple[str, int] | None = None
        self._ends: tuple[Graph, FilterContext, FilterContext] | None = None

    def __call__(self, frame: VideoFrame) -> list[NDArray[np.uint8]]:
        """`frame`, turned upright, cropped, scaled, flipped: its red, green and blue, each
        uint8 [out_height, out_width].

        Raises SampleError if the crop reaches more than a pixel out of the frame.
        """
        turns = quarter_turns(frame)
        source = buffer_arguments(frame)
        if self._ends is None or (source, turns) != self._source:
            self._ends = _graph(source, self._geometry, frame.width, frame.height, turns)
            self._source = (source, turns)
        _, head, tail = self._ends
        head.push(frame)
        scaled = tail.pull()
        assert isinstance(scaled, VideoFrame)
        planes = scaled.planes
        size = self._geometry.out_shape[1:]
        return [_pixels(planes[index], *size) for index in _RGB_PLANES]


def _pixels(plane: VideoPlane, height: int, width: int) -> NDArray[np.uint8]:
    """`plane` without the padding of its rows; a view of the frame's memory."""
    values: NDArray[np.uint8] = np.frombuffer(memoryview(plane), np.uint8)
    return values.reshape(-1, plane.line_size)[:height, :width]


def _graph(
    source: str, shown: Geometry, width: int, height: int, turns: int
) -> tuple[Graph, FilterContext, FilterContext]:
    geometry = _unturned(shown, width, height, turns)
    left, right = _snapped(geometry.crop_left, geometry.crop_width, width, "width")
    top, bottom = _snapped(geometry.crop_top, geometry.crop_height, height, "height")
    graph = Graph()
    graph.threads = 1
    nodes = [
        graph.add("buffer", source),
        graph.add("crop", f"{right - left}:{bottom - top}:{left}:{top}:exact=1"),
        graph.add("scale", f"{geometry.out_width}:{geometry.out_height}:flags={_FLAGS}"),
        graph.add("format", _FORMAT),
        *(graph.add(name, arguments) for name, arguments in TURNS[turns]),
        *([graph.add("hflip")] if geometry.flip else []),
        graph.add("buffersink"),
    ]
    graph.link_nodes(*nodes)
    graph.configure()
    return graph, nodes[0], nodes[-1]


def _unturned(shown: Geometry, width: int, height: int, turns: int) -> Geometry:
    """`shown` in pixels of the stored frame of the given size: turned after it is scaled, a frame
    costs a turn of few pixels.
    """
    geometry = shown
    across = height if turns % 2 else width  # of the frame, as it is before each turn back
    other = width + height - across
    for _ in range(turns):
        geometry = replace(
            geometry,
            crop_left=geometry.crop_top,
            crop_top=across - geometry.crop_left - geometry.crop_width,
            crop_width=geometry.crop_height,
            crop_height=geometry.crop_width,
            out_height=geometry.out_width,
            out_width=geometry.out_height,
        )
        across, other = other, across
    return geometry


def _snapped(start: float, length: float, size: int, name: str) -> tuple[int, int]:
    """[start, start + length) as whole pixels of [0, size): even, or at the frame's edge."""
    stop = start + length
    if start < -1 or stop > size + 1:
        raise SampleError(f"crop [{start:g}, {stop:g}) lies outside the frame's {name} of {size}")
    last_start = max(size - _CHROMA_PIXELS, 0) // _CHROMA_PIXELS * _CHROMA_PIXELS
    low = min(max(round(start / _CHROMA_PIXELS) * _CHROMA_PIXELS, 0), last_start)
    high = size if stop > size - 0.5 else round(stop / _CHROMA_PIXELS) * _CHROMA_PIXELS
    return low, min(max(high, low + _CHROMA_PIXELS), size)
