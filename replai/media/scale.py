"""Crop, scale, turn, flip and colour conversion of one frame, in one pass of libav filters."""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from functools import lru_cache
from math import floor

import numpy as np
from av.filter import Graph
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
# Frames may be so much wider or narrower than recorded, as sizes are whole pixels.
_MOST_STRETCHED = 1.05
# The stored profile's crops are of 66 kinds, each graph takes 0.2 MB.
_MOST_GRAPHS = 128


@dataclass(frozen=True)
class Geometry:
    """A crop in source pixels, then a size in output pixels, then a left-right flip.

    The crop is snapped to even pixels, as the chroma of 4:2:0 video requires: its size and its
    middle move by at most one. Squares stay squares. Source pixels are those of the frame as
    displayed: turned upright, where the file says that it is to be turned. Of frames that are
    larger or smaller than `source`, as a file may change its size, the crop is the same part.
    """

    crop_left: float
    crop_top: float
    crop_width: float
    crop_height: float
    out_height: int
    out_width: int
    flip: bool
    source: tuple[int, int] | None = None
    """(width, height) of the frames that the crop is meant for; None: whatever comes."""

    def __post_init__(self) -> None:
        if min(self.crop_width, self.crop_height) <= 0 or min(self.out_shape) < 1:
            raise ValueError(f"a crop and its output have positive sizes; got {self}")

    @property
    def out_shape(self) -> tuple[int, int, int]:
        """(3, out_height, out_width)."""
        return (3, self.out_height, self.out_width)


class Scaler:
    """Scales frames by one geometry."""

    def __init__(self, geometry: Geometry) -> None:
        self._geometry = geometry
        self._frames: tuple[str, int] | None = None
        self._at = (0, 0)
        self._graph: _Graph | None = None

    def __call__(self, frame: VideoFrame) -> list[NDArray[np.uint8]]:
        """`frame`, turned upright, cropped, scaled, flipped: its red, green and blue, each
        uint8 [out_height, out_width].

        Raises SampleError if the crop reaches more than a pixel out of the frame, or is meant for
        frames of another shape.
        """
        frames = buffer_arguments(frame), quarter_turns(frame)
        if self._graph is None or frames != self._frames:
            self._follow(frame, *frames)
            self._frames = frames
        assert self._graph is not None
        planes = self._graph(frame, *self._at).planes
        size = self._geometry.out_shape[1:]
        return [_pixels(planes[index], *size) for index in _RGB_PLANES]

    def _follow(self, frame: VideoFrame, source: str, turns: int) -> None:
        """Takes the crop's place and the graph for frames like `frame`."""
        shown = (frame.height, frame.width) if turns % 2 else (frame.width, frame.height)
        geometry = _fitted(self._geometry, *shown)
        stored = _unturned(geometry, frame.width, frame.height, turns)
        left, width = _snapped(stored.crop_left, stored.crop_width, frame.width, "width")
        top, height = _snapped(stored.crop_top, stored.crop_height, frame.height, "height")
        self._at = (left, top)
        out = (stored.out_width, stored.out_height)
        self._graph = _GRAPHS.of(_Kind(source, (width, height), out, turns, stored.flip))


@dataclass(frozen=True)
class _Kind:
    """All that a graph depends on. Sizes are (width, height), before frames are turned."""

    source: str
    crop: tuple[int, int]
    out: tuple[int, int]
    turns: int
    flip: bool


class _Graph:
    """Crops, scales, turns and flips frames of one kind. Where the crop lies may change."""

    def __init__(self, kind: _Kind) -> None:
        self._at = (0, 0)
        self._owner = Graph()
        self._owner.threads = 1
        add = self._owner.add
        nodes = [
            add("buffer", kind.source),
            add("crop", f"{kind.crop[0]}:{kind.crop[1]}:0:0:exact=1"),
            add("scale", f"{kind.out[0]}:{kind.out[1]}:flags={_FLAGS}"),
            add("format", _FORMAT),
            *(add(name, arguments) for name, arguments in TURNS[kind.turns]),
            *([add("hflip")] if kind.flip else []),
            add("buffersink"),
        ]
        self._owner.link_nodes(*nodes)
        self._owner.configure()
        self._head, self._crop, self._tail = nodes[0], nodes[1], nodes[-1]

    def __call__(self, frame: VideoFrame, left: int, top: int) -> VideoFrame:
        """`frame`, cropped at (left, top), in its new size."""
        try:
            self._move(left, top)
            self._head.push(frame)
            scaled = self._tail.pull()
            assert isinstance(scaled, VideoFrame) and scaled.pts == frame.pts
        except BaseException:
            _GRAPHS.of.cache_clear()  # this one may hold a frame that the next call would get
            raise
        return scaled

    def _move(self, left: int, top: int) -> None:
        if self._at != (left, top):
            for name, pixels in (("x", left), ("y", top)):
                self._crop.process_command(name, str(pixels), res_len=0)
            self._at = (left, top)


class _Graphs(threading.local):
    """The graphs that a thread used last: to make one takes as long as to scale four frames."""

    def __init__(self) -> None:
        self.of = lru_cache(_MOST_GRAPHS)(_Graph)


_GRAPHS = _Graphs()


def _pixels(plane: VideoPlane, height: int, width: int) -> NDArray[np.uint8]:
    """`plane` without the padding of its rows; a view of the frame's memory."""
    values: NDArray[np.uint8] = np.frombuffer(memoryview(plane), np.uint8)
    return values.reshape(-1, plane.line_size)[:height, :width]


def _fitted(meant: Geometry, width: int, height: int) -> Geometry:
    """`meant` in pixels of upright frames of the given size."""
    if meant.source in (None, (width, height)):
        return meant
    across, down = width / meant.source[0], height / meant.source[1]
    if not 1 / _MOST_STRETCHED < across / down < _MOST_STRETCHED:
        raise SampleError(
            f"frames of {width}x{height} where {meant.source[0]}x{meant.source[1]} were recorded"
        )
    return replace(
        meant,
        crop_left=meant.crop_left * across,
        crop_top=meant.crop_top * down,
        crop_width=meant.crop_width * across,
        crop_height=meant.crop_height * down,
    )


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
    """(start, length) in whole pixels of [0, size): even ones, but for the end at an odd edge."""
    stop = start + length
    if start < -1 or stop > size + 1:
        raise SampleError(f"crop [{start:g}, {stop:g}) lies outside the frame's {name} of {size}")
    long = max(_even(length), _CHROMA_PIXELS)
    latest = _CHROMA_PIXELS * ((size - long + 1) // _CHROMA_PIXELS)
    low = max(min(_even(start + (length - long) / 2), latest), 0)
    return low, min(long, size - low)


def _even(pixels: float) -> int:
    """The nearest even number; halves go up."""
    return _CHROMA_PIXELS * floor(pixels / _CHROMA_PIXELS + 0.5)
