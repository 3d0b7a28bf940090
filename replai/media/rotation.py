"""Display rotation: a phone stores what its sensor sees, and by how much a player has to turn it.

Quarter turns are applied; other angles are taken as the nearest one, mirroring is not applied.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from av.filter import Graph
from av.filter.context import FilterContext
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame

from replai.core.errors import SampleError
from replai.media.container import damage_is_sample_error

# A decoder may hold back frames; past these the file is too damaged to say how it is turned.
_PACKETS_TRIED = 32

TURNS: tuple[tuple[tuple[str, str], ...], ...] = (
    (),
    (("transpose", "clock"),),
    (("hflip", ""), ("vflip", "")),
    (("transpose", "cclock"),),
)
"""The libav filters (name, arguments) of 0 to 3 quarter turns clockwise."""


def quarter_turns(frame: VideoFrame) -> int:
    """How often `frame` is to be turned clockwise by 90 degrees to be upright: 0 to 3."""
    return round(-frame.rotation / 90) % 4


class Upright:
    """Turns whole frames upright, in their own pixel format."""

    def __init__(self) -> None:
        self._kind: tuple[object, ...] = ()
        self._ends: tuple[Graph, FilterContext, FilterContext] | None = None

    def __call__(self, frame: VideoFrame) -> VideoFrame:
        """`frame` itself, if it is to be shown as it is stored; else a turned copy."""
        turns = quarter_turns(frame)
        if not turns:
            return frame
        source = buffer_arguments(frame)
        if self._ends is None or self._kind != (source, turns):
            self._kind, self._ends = (source, turns), _turning_graph(source, turns)
        _, head, tail = self._ends
        head.push(frame)
        turned = tail.pull()
        assert isinstance(turned, VideoFrame)
        return turned


def _turning_graph(source: str, turns: int) -> tuple[Graph, FilterContext, FilterContext]:
    graph = Graph()
    graph.threads = 1
    nodes = [graph.add("buffer", source), *(graph.add(*t) for t in TURNS[turns])]
    nodes.append(graph.add("buffersink"))
    graph.link_nodes(*nodes)
    graph.configure()
    return graph, nodes[0], nodes[-1]


def buffer_arguments(frame: VideoFrame) -> str:
    """How libav's buffer filter is told what frames it gets."""
    return (
        f"video_size={frame.width}x{frame.height}:pix_fmt={frame.format.name}"
        f":time_base=1/1000:colorspace={int(frame.colorspace)}:range={int(frame.color_range)}"
    )


def shown_size(context: VideoCodecContext, packets: Iterable[Packet[Any]]) -> tuple[int, int]:
    """(width, height) of the video as displayed, by the first frame that `packets` decode to.

    FFmpeg tells the rotation with each frame. Where none decodes, the size is the stored one;
    raises SampleError where that is not known either.
    """
    turns = 0
    for frame in _frames(context, packets):
        turns = quarter_turns(frame)
        break
    context.flush_buffers()
    width, height = context.width, context.height
    if not width * height:
        raise SampleError("its video does not tell its size")
    return (height, width) if turns % 2 else (width, height)


def _frames(context: VideoCodecContext, packets: Iterable[Packet[Any]]) -> Iterator[VideoFrame]:
    for _, packet in zip(range(_PACKETS_TRIED), packets, strict=False):
        yield from _decoded(context, packet)
    yield from _decoded(context, None)


def _decoded(context: VideoCodecContext, packet: Packet[Any] | None) -> list[VideoFrame]:
    try:
        with damage_is_sample_error():
            return context.decode(packet)
    except SampleError:
        return []
