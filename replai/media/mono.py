"""Decoded audio frames as mono samples on a file's clock, and their resampling."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.stream import Stream
from numpy.typing import NDArray

from replai.core.errors import SampleError
from replai.media.container import Media, time_base

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
    run: list[NDArray[Any]] = []
    start = 0
    for frame in frames:
        if rate not in (0, frame.sample_rate):
            raise SampleError(f"audio changes its rate from {rate} to {frame.sample_rate} Hz")
        if rate == 0:
            rate = frame.sample_rate
            tick, origin = float(time_base(stream) * rate), float(media.origin * rate)
        by_pts = None if frame.pts is None else round(frame.pts * tick - origin)
        index, samples = _index(by_pts, expected, rate), _channels(frame)
        if run and (index != expected or len(run) == FRAMES_JOINED or not _alike(samples, run[0])):
            yield rate, start, _mono(run)
            run = []
        trimmed = 0 if expected is None else max(expected - index, 0)
        if trimmed < samples.shape[1]:
            start = start if run else index + trimmed
            run.append(samples[:, trimmed:])
            expected = index + samples.shape[1]
    if run:
        yield rate, start, _mono(run)


def _index(by_pts: int | None, expected: int | None, rate_hz: int) -> int:
    if by_pts is None and expected is None:
        raise SampleError("its audio has no time")
    if by_pts is None or (
        expected is not None and abs(by_pts - expected) <= TOLERANCE_SECONDS * rate_hz
    ):
        assert expected is not None
        return expected
    return by_pts


def _channels(frame: AudioFrame) -> NDArray[Any]:
    """The frame's samples as the file has them, [channels, n]."""
    samples: NDArray[Any] = frame.to_ndarray()
    if frame.format.is_planar:
        return samples
    return samples.reshape(-1, len(frame.layout.channels)).T


def _alike(one: NDArray[Any], other: NDArray[Any]) -> bool:
    return one.dtype == other.dtype and len(one) == len(other)


def _mono(run: list[NDArray[Any]]) -> NDArray[np.float32]:
    """Mean of the channels of joined frames; float32 [n], full scale at 1."""
    samples = np.concatenate(run, axis=1) if len(run) > 1 else run[0]
    dtype = np.dtype(np.float32 if samples.dtype.kind == "f" else np.float64)
    mean = np.add.reduce(samples, axis=0, dtype=dtype) / dtype.type(len(samples))
    if samples.dtype.kind != "f":
        middle = 128 if samples.dtype.kind == "u" else 0
        mean = (mean - middle) / 2.0 ** (8 * samples.dtype.itemsize - 1)
    mono: NDArray[np.float32] = mean.astype(np.float32, copy=False)
    return mono


def resampled(
    blocks: Iterable[NDArray[np.float32]], rate_hz: int, out_rate_hz: int
) -> Iterator[NDArray[np.float32]]:
    """`blocks` (float32 [n], one signal) at `out_rate_hz`, by libswresample; within [-1, 1].

    Output sample i stands at i / out_rate_hz seconds after the first input sample: swresample
    compensates its filter's delay. Samples that are not numbers become silence.
    """
    resampler = av.AudioResampler(format="fltp", layout="mono", rate=out_rate_hz)
    for block in blocks:
        if rate_hz == out_rate_hz:
            yield _sane(block)
            continue
        frame = av.AudioFrame.from_ndarray(_sane(block)[None], format="fltp", layout="mono")
        frame.sample_rate = rate_hz
        yield from _arrays(resampler.resample(frame))
    yield from _arrays(resampler.resample(None))


def _arrays(frames: list[AudioFrame]) -> Iterator[NDArray[np.float32]]:
    for frame in frames:
        if frame.samples:
            yield np.clip(frame.to_ndarray()[0], -1.0, 1.0)


def _sane(block: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.clip(np.nan_to_num(block, nan=0.0), -1.0, 1.0)
