"""The sound of a transcoded segment: every channel, in step with its pictures, as AAC.

Samples are float32 [n, channels], as they lie in memory in a packed frame: of more than seven
planes PyAV does not tell the number right.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.packet import Packet
from av.stream import Stream
from numpy.typing import NDArray

from replai.core.timeline import Span
from replai.media.container import Media
from replai.media.mono import TOLERANCE_SECONDS
from replai.media.resampler import Resampler
from sharder.encoded import sound_of

AAC_RATES_HZ = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)
_AAC_LAYOUTS = ("mono", "stereo", "3.0", "4.0", "5.0", "5.1", "7.0", "7.1")
_BLOCK = 1 << 16


@dataclass(frozen=True)
class SoundKind:
    """What a source's sound is said to be, before any of it is decoded."""

    layout: str
    channels: int
    rate_hz: int
    highest_hz: int
    """Of the stored sound."""

    @property
    def stored_layout(self) -> str:
        """One of AAC's with as many channels; mono, their mean, for more than AAC holds."""
        return _AAC_LAYOUTS[self.stored_channels - 1]

    @property
    def stored_channels(self) -> int:
        """See `stored_layout`."""
        return self.channels if self.channels <= len(_AAC_LAYOUTS) else 1

    @property
    def stored_rate_hz(self) -> int:
        """The rate of AAC's that is nearest below the source's and the highest allowed."""
        limit = min(self.rate_hz, self.highest_hz)
        return max((rate for rate in AAC_RATES_HZ if rate <= limit), default=AAC_RATES_HZ[0])


def sound_kind(media: Media, highest_hz: int) -> SoundKind | None:
    """Of the audio stream; None where there is none, or none that holds sound."""
    stream = sound_of(media)
    if stream is None:
        return None
    return SoundKind(stream.layout.name, stream.channels, stream.rate, highest_hz)


def add_sound(target: OutputContainer, kind: SoundKind, kbit_per_channel: int) -> AudioStream:
    """The audio stream of `target`."""
    stream = target.add_stream(
        "aac", rate=kind.stored_rate_hz, layout=kind.stored_layout, options={"aac_coder": "fast"}
    )
    stream.bit_rate = kbit_per_channel * 1000 * kind.stored_channels
    return stream


def stored_sound(
    media: Media, kind: SoundKind, packets: Sequence[Packet[Stream]], span: Span
) -> NDArray[np.float32]:
    """The sound of `span` as it is stored, before encoding; float32 [n, stored channels]."""
    samples = _placed(media, kind, packets, span)
    if kind.stored_channels != kind.channels:
        samples = samples.mean(axis=1, keepdims=True)
    return _resampled(samples, kind)


def encode_sound(
    target: OutputContainer, stream: AudioStream, samples: NDArray[np.float32]
) -> None:
    """Adds float32 [n, channels], which starts with the pictures, to `target`.

    PyAV's encoder cuts them into frames by a graph of its own, whose threads have nothing to do.
    """
    for start in range(0, len(samples), _BLOCK):
        frame = _frame(samples[start : start + _BLOCK], stream.layout.name, stream.rate)
        frame.pts, frame.time_base = start, Fraction(1, stream.rate)
        target.mux(stream.encode(frame))
    target.mux(stream.encode(None))


def _placed(
    media: Media, kind: SoundKind, packets: Sequence[Packet[Stream]], span: Span
) -> NDArray[np.float32]:
    """The span's sound at the source's rate, placed by pts; gaps are zeros."""
    rate, following = kind.rate_hz, None
    first = round(span.start_seconds * rate)
    samples = np.zeros((round(span.stop_seconds * rate) - first, kind.channels), np.float32)
    for frame in _packed(media, kind, packets):
        if frame.pts is None or frame.time_base is None:
            continue
        start = round((float(frame.pts * frame.time_base) - float(media.origin)) * rate) - first
        if following is not None and abs(start - following) <= TOLERANCE_SECONDS * rate:
            start = following
        low, high = max(start, 0), min(start + frame.samples, len(samples))
        if low < high:
            part = frame.to_ndarray().reshape(-1, kind.channels)
            samples[low:high] = part[low - start : high - start]
        following = start + frame.samples
    return samples


def _packed(
    media: Media, kind: SoundKind, packets: Sequence[Packet[Stream]]
) -> Iterator[AudioFrame]:
    """The frames as packed floats; their kind may change on the way."""
    assert media.audio is not None
    resamplers: dict[tuple[str, str, int], Resampler] = {}
    for packet in (*packets, None):
        for frame in media.audio.codec_context.decode(packet):
            found = (frame.format.name, frame.layout.name, frame.sample_rate)
            if found not in resamplers:
                resamplers[found] = Resampler("flt", kind.layout, kind.rate_hz)
            yield from resamplers[found](frame)


def _resampled(samples: NDArray[np.float32], kind: SoundKind) -> NDArray[np.float32]:
    """`samples` at the stored rate, in step with them."""
    if kind.rate_hz == kind.stored_rate_hz or not samples.size:
        return samples
    resampler = Resampler("flt", kind.stored_layout, kind.stored_rate_hz)
    frame = _frame(samples, kind.stored_layout, kind.rate_hz)
    parts = [*resampler(frame), *resampler(None)]
    joined = np.concatenate([part.to_ndarray()[0] for part in parts if part.samples])
    return joined.reshape(-1, kind.stored_channels)


def _frame(samples: NDArray[np.float32], layout: str, rate_hz: int) -> AudioFrame:
    frame = av.AudioFrame.from_ndarray(samples.reshape(1, -1), format="flt", layout=layout)
    frame.sample_rate = rate_hz
    return frame
