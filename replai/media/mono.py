"""Decoded audio frames as mono samples on a file's clock, and their resampling."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.filter import Graph
from av.filter.context import FilterContext
from av.stream import Stream
from numpy.typing import NDArray

from replai.core.errors import SampleError
from replai.media.container import Media, time_base
from replai.media.limits import check_audio_rate

# Containers round pts to milliseconds (Matroska) and phones jitter theirs. Within the tolerance
# sound runs on without a seam; past it, it is placed anew by its pts.
TOLERANCE_SECONDS = 0.005
FRAMES_JOINED = 64


def placed(
    media: Media, stream: Stream, frames: Iterable[AudioFrame]
) -> Iterator[tuple[int, int, NDArray[np.float32]]]:
    """(native sample rate, index of the first sample on the clock, float32 [n] mono samples).

    Index 0 is time zero. Indices rise and never overlap: what would overlap is trimmed. A gap
    in pts is a gap in the indices. Frames that follow each other without a seam come joined, up
    to FRAMES_JOINED of them. Raises SampleError for a change of the sample rate.
    """
    rate, expected, tick, origin = 0, None, 0.0, 0.0
    run: list[AudioFrame] = []
    start = trimmed = 0
    for frame in frames:
        if rate not in (0, frame.sample_rate):
            raise SampleError(f"audio changes its rate from {rate} to {frame.sample_rate} Hz")
        if rate == 0:
            rate = check_audio_rate(frame.sample_rate)
            tick, origin = float(time_base(stream) * rate), float(media.origin * rate)
        by_pts = None if frame.pts is None else round(frame.pts * tick - origin)
        index = _index(by_pts, expected, rate)
        if run and (index != expected or len(run) == FRAMES_JOINED or not _alike(frame, run[0])):
            yield rate, start, _mono(run)[trimmed:]
            run = []
        overlap = 0 if expected is None else max(expected - index, 0)
        if overlap < frame.samples:
            if not run:
                start, trimmed = index + overlap, overlap
            run.append(frame)
            expected = index + frame.samples
    if run:
        yield rate, start, _mono(run)[trimmed:]


def _index(by_pts: int | None, expected: int | None, rate_hz: int) -> int:
    if by_pts is None and expected is None:
        raise SampleError("its audio has no time")
    if by_pts is None or (
        expected is not None and abs(by_pts - expected) <= TOLERANCE_SECONDS * rate_hz
    ):
        assert expected is not None
        return expected
    return by_pts


def _alike(one: AudioFrame, other: AudioFrame) -> bool:
    return one.format.name == other.format.name and one.layout.name == other.layout.name


def _mono(run: list[AudioFrame]) -> NDArray[np.float32]:
    """Mean of the channels of joined frames; float32 [n], full scale at 1."""
    samples = _channels(_joined(run))
    dtype = np.dtype(np.float32 if samples.dtype.kind == "f" else np.float64)
    mean = np.add.reduce(samples, axis=0, dtype=dtype) / dtype.type(len(samples))
    if samples.dtype.kind != "f":
        middle = 128 if samples.dtype.kind == "u" else 0
        mean = (mean - middle) / 2.0 ** (8 * samples.dtype.itemsize - 1)
    mono: NDArray[np.float32] = mean.astype(np.float32, copy=False)
    return mono


def _joined(run: list[AudioFrame]) -> AudioFrame:
    """The frames as one: joined in C, as a window has a hundred of them."""
    if len(run) == 1:
        return run[0]
    fifo = av.AudioFifo()
    for frame in run:
        frame.pts = None  # the run has no seam; the fifo would insist on pts without jitter
        fifo.write(frame)
    whole = fifo.read()
    assert whole is not None, "a run has samples"
    return whole


def _channels(frame: AudioFrame) -> NDArray[Any]:
    """The frame's samples as the file has them, [channels, n]."""
    samples: NDArray[Any] = frame.to_ndarray()
    if frame.format.is_planar:
        return samples
    return samples.reshape(-1, len(frame.layout.channels)).T


def resampled(
    blocks: Iterable[NDArray[np.float32]], rate_hz: int, out_rate_hz: int
) -> Iterator[NDArray[np.float32]]:
    """`blocks` (float32 [n], one signal) at `out_rate_hz`, by libswresample; within [-1, 1].

    Output sample i stands at i / out_rate_hz seconds after the first input sample: swresample
    compensates its filter's delay. Samples that are not numbers become silence.
    """
    if rate_hz == out_rate_hz:
        yield from map(_sane, blocks)
        return
    graph, head, tail = _resampler(rate_hz, out_rate_hz)
    for block in blocks:
        frame = av.AudioFrame.from_ndarray(_sane(block)[None], format="fltp", layout="mono")
        frame.sample_rate = rate_hz
        head.push(frame)
        yield from _pulled(tail)
    head.push(None)
    yield from _pulled(tail)
    del graph  # which owns both ends


def _resampler(rate_hz: int, out_rate_hz: int) -> tuple[Graph, FilterContext, FilterContext]:
    # av.AudioResampler makes the same samples, but takes 1.3 ms to be made.
    graph = Graph()
    graph.threads = 1
    kind = f"sample_rate={rate_hz}:sample_fmt=fltp:channel_layout=mono:time_base=1/{rate_hz}"
    nodes = [
        graph.add("abuffer", kind),
        graph.add("aresample", str(out_rate_hz)),
        graph.add("abuffersink"),
    ]
    graph.link_nodes(*nodes)
    graph.configure()
    return graph, nodes[0], nodes[-1]


def _pulled(tail: FilterContext) -> Iterator[NDArray[np.float32]]:
    """All that is ready."""
    while True:
        try:
            frame = tail.pull()
        except (BlockingIOError, EOFError):
            return
        assert isinstance(frame, AudioFrame)
        yield np.clip(frame.to_ndarray()[0], -1.0, 1.0)


def _sane(block: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.clip(np.nan_to_num(block, nan=0.0), -1.0, 1.0)
