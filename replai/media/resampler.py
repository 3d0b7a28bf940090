"""Sound in another sample format, layout and rate, by libswresample, on one thread.

PyAV's own AudioResampler makes the same samples, but starts a thread for each CPU, none of which
has anything to do: 1.3 ms to make one, in place of 0.08.
"""

from __future__ import annotations

from collections.abc import Iterator

from av.audio.frame import AudioFrame
from av.filter import Graph
from av.filter.context import FilterContext

SoundGraph = tuple[Graph, FilterContext, FilterContext]
"""A graph, which owns its ends, and the two."""


def sound_graph(source: dict[str, str], name: str, options: dict[str, str]) -> SoundGraph:
    """Frames like `source` (options of abuffer) through the filter `name`."""
    graph = Graph()
    graph.threads = 1
    nodes = [
        graph.add("abuffer", **source),
        graph.add(name, **options),
        graph.add("abuffersink"),
    ]
    graph.link_nodes(*nodes)
    graph.configure()
    return graph, nodes[0], nodes[-1]


def ready_frames(tail: FilterContext) -> Iterator[AudioFrame]:
    """All that a graph's end has to give by now."""
    while True:
        try:
            frame = tail.pull()
        except (BlockingIOError, EOFError):
            return
        assert isinstance(frame, AudioFrame)
        yield frame


class Resampler:
    """Frames of one kind as frames of another; the samples that PyAV's AudioResampler gives."""

    def __init__(self, sample_format: str, layout: str, rate_hz: int) -> None:
        self._wanted = (sample_format, layout, str(rate_hz))
        self._graph: SoundGraph | None = None

    def __call__(self, frame: AudioFrame | None) -> list[AudioFrame]:
        """What is ready with `frame`, or at the end (None): some is held back until then."""
        if frame is not None and _kind(frame) == self._wanted:
            return [frame]
        if self._graph is None:
            if frame is None:
                return []
            self._graph = self._made_for(frame)
        _, head, tail = self._graph
        head.push(frame)
        return list(ready_frames(tail))

    def _made_for(self, frame: AudioFrame) -> SoundGraph:
        source = _options("sample_fmt channel_layout sample_rate", _kind(frame))
        if frame.time_base is not None:
            source["time_base"] = str(frame.time_base)
        wanted = _options("sample_fmts channel_layouts sample_rates", self._wanted)
        return sound_graph(source, "aformat", wanted)


def _kind(frame: AudioFrame) -> tuple[str, str, str]:
    return frame.format.name, frame.layout.name, str(frame.sample_rate)


def _options(names: str, values: tuple[str, str, str]) -> dict[str, str]:
    return dict(zip(names.split(), values, strict=True))
