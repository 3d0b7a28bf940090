"""Decoded audio frames as mono samples on a file's clock, and their resampling."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.stream import Stream
from numpy.typing import NDArray

from replai.core.errors import SampleError
from replai.media.container import Media, time_base
from replai.media.limits import check_audio_rate
from replai.media.resampler import Resampler, ready_frames, sound_graph

# Containers round pts to milliseconds (Matroska) and phones jitter theirs. Within the tolerance
# sound runs on without a seam; past it, it is placed anew by its pts.
TOLERANCE_SECONDS = 0.005
# Frames are joined in C to runs of this length: a second of AAC has 40 of them, and what Python
# does for each is dear.
RUN_SECONDS = 1.0
MOST_BACK_SECONDS = 1.0
"""Times of a stream may go back so far, no further: in files joined end to end (.ts, .mkv, .mpg)
the second one's begin at zero again. In MP4, where each edit may lead to its own, they may; and one
time by itself may be damaged: what comes before and after has to go on for as long."""
MOST_PLANES = 7
"""Of a frame that PyAV tells the number of right; it reads past the end of more (and crashes)."""


def clock_starts_anew(seconds: float) -> str:
    """What is said of a file whose times go back after `seconds` of its clock."""
    return (
        f"its clock starts anew after {seconds:.1f} s, as where files were joined end to end; "
        "write it anew with one clock (ffmpeg's concat, say), or give the parts"
    )


def placed(
    media: Media, stream: Stream, frames: Iterable[AudioFrame]
) -> Iterator[tuple[int, int, NDArray[np.float32]]]:
    """(native sample rate, index of the first sample on the clock, float32 [n] mono samples).

    Index 0 is time zero. Indices rise and never overlap: what would overlap is trimmed. A gap
    in pts is a gap in the indices. Frames that follow each other without a seam come joined, to
    about RUN_SECONDS. Raises SampleError for a change of the sample rate, and where the clock
    starts anew.
    """
    clock: _Clock | None = None
    run: _Run | None = None
    expected: int | None = None
    kept, dropped = 0, None  # begin of what was kept without a seam; what was not, since then
    for frame in frames:
        if run is not None:
            if run.add(frame):
                continue
            yield run.clock.rate_hz, run.start, run.mono()
            expected, run = run.stop, None
        if clock is None:
            clock = _clock(media, stream, frame)
        index = clock.index(frame, expected)
        overlap = 0 if expected is None else max(expected - index, 0)
        if overlap < frame.samples:
            kept, dropped = kept if index == expected else index, None
            run = _Run(clock, frame, index, overlap)
            added = run.add(frame)
            assert added, "a run takes its first frame"
        elif expected is not None and not media.stores_dts:
            if dropped is None or abs(index - dropped[1]) > clock.tolerance_samples:
                dropped = (index, index)
            dropped = (dropped[0], index + frame.samples)
            lengths = (expected - kept, dropped[1] - dropped[0], expected - dropped[1])
            if min(lengths) > MOST_BACK_SECONDS * clock.rate_hz:
                raise SampleError(clock_starts_anew(expected / clock.rate_hz))
    if run is not None:
        yield run.clock.rate_hz, run.start, run.mono()


@dataclass(frozen=True)
class _Clock:
    """Where pts lie on the file's clock, counted in samples."""

    rate_hz: int
    samples_a_tick: float
    origin_samples: float

    @property
    def tolerance_samples(self) -> float:
        return TOLERANCE_SECONDS * self.rate_hz

    def index(self, frame: AudioFrame, expected: int | None) -> int:
        """Place of the frame's first sample; `expected` if its pts is about that, or missing."""
        if frame.sample_rate != self.rate_hz:
            raise SampleError(
                f"audio changes its rate from {self.rate_hz} to {frame.sample_rate} Hz"
            )
        if frame.pts is None:
            if expected is None:
                raise SampleError("its audio has no time")
            return expected
        by_pts = round(frame.pts * self.samples_a_tick - self.origin_samples)
        if expected is not None and abs(by_pts - expected) <= self.tolerance_samples:
            return expected
        return by_pts


def _clock(media: Media, stream: Stream, first: AudioFrame) -> _Clock:
    rate = check_audio_rate(first.sample_rate)
    return _Clock(rate, float(time_base(stream) * rate), float(media.origin * rate))


class _Run:
    """Frames without a seam, joined; the first `overlap` samples of the first are not wanted."""

    def __init__(self, clock: _Clock, first: AudioFrame, index: int, overlap: int) -> None:
        self.clock, self.start, self.stop = clock, index + overlap, index
        self._overlap, self._room = overlap, round(RUN_SECONDS * clock.rate_hz)
        self._format, self._num_channels = first.format.name, first.layout.nb_channels
        self._rate_hz, self._tolerance = clock.rate_hz, clock.tolerance_samples
        self._tick, self._origin = clock.samples_a_tick, clock.origin_samples
        self._fifo = av.AudioFifo()

    def add(self, frame: AudioFrame) -> bool:
        """Adds `frame` if there is room and it goes on as those before; False if not."""
        pts = frame.pts
        if (
            self._room <= 0
            or frame.sample_rate != self._rate_hz
            or frame.layout.nb_channels != self._num_channels
            or frame.format.name != self._format
            or (
                pts is not None
                and abs(round(pts * self._tick - self._origin) - self.stop) > self._tolerance
            )
        ):
            return False
        frame.pts = None  # the run has no seam; the fifo would insist on pts without jitter
        self._fifo.write(frame)
        num_samples = frame.samples
        self.stop += num_samples
        self._room -= num_samples
        return True

    def mono(self) -> NDArray[np.float32]:
        """Mean of the channels of all frames; float32 [n], full scale at 1."""
        whole = self._fifo.read()
        assert whole is not None, "a run has samples"
        return _mean(_channels(whole))[self._overlap :]


def _mean(channels: list[NDArray[Any]]) -> NDArray[np.float32]:
    """Mean of samples as the file has them, [n] for each channel; full scale at 1."""
    dtype = channels[0].dtype
    if dtype.kind == "f":
        mean = sum(channels[1:], channels[0]) / dtype.type(len(channels))
    else:
        total = np.add.reduce(channels, axis=0, dtype=np.float64)
        middle = 128 if dtype.kind == "u" else 0
        mean = (total / len(channels) - middle) / 2.0 ** (8 * dtype.itemsize - 1)
    mono: NDArray[np.float32] = mean.astype(np.float32, copy=False)
    return mono


def _channels(frame: AudioFrame) -> list[NDArray[Any]]:
    """The frame's samples as the file has them, [n] for each channel."""
    channels = frame.layout.nb_channels
    if frame.format.is_planar and channels > MOST_PLANES:
        pack = Resampler(frame.format.packed.name, frame.layout.name, frame.sample_rate)
        (frame,) = pack(frame)
    if frame.format.name == "fltp":  # as most codecs decode: without a copy
        planes = (memoryview(plane) for plane in frame.planes)
        return [np.frombuffer(plane, np.float32, frame.samples) for plane in planes]
    samples: NDArray[Any] = frame.to_ndarray()
    return list(samples if frame.format.is_planar else samples.reshape(-1, channels).T)


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
    kind = {"sample_fmt": "fltp", "channel_layout": "mono", "sample_rate": str(rate_hz)}
    wanted = {"sample_rate": str(out_rate_hz)}
    graph, head, tail = sound_graph(kind, "aresample", wanted)
    for block in blocks:
        frame = av.AudioFrame.from_ndarray(_sane(block)[None], format="fltp", layout="mono")
        frame.sample_rate = rate_hz
        head.push(frame)
        yield from map(_samples, ready_frames(tail))
    head.push(None)
    yield from map(_samples, ready_frames(tail))
    del graph  # which owns both ends


def _samples(frame: AudioFrame) -> NDArray[np.float32]:
    samples: NDArray[np.float32] = np.clip(frame.to_ndarray()[0], -1.0, 1.0)
    return samples


def _sane(block: NDArray[np.float32]) -> NDArray[np.float32]:
    if block.min(initial=0.0) >= -1.0 and block.max(initial=0.0) <= 1.0:  # neither, if not a number
        return block
    return np.clip(np.nan_to_num(block, nan=0.0), -1.0, 1.0)
