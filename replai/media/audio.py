"""Sound: a window of a sample, or the whole of an hours-long file, block by block."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from math import ceil, gcd

import numpy as np
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.error import FFmpegError
from av.packet import Packet
from av.stream import Stream
from numpy.typing import NDArray

from replai.core.errors import SampleError
from replai.media.container import Media, MediaFile, open_media, time_base
from replai.media.limits import MOST_SOUND_VALUES, Budget, check_audio_rate
from replai.media.mono import TOLERANCE_SECONDS, placed, resampled
from replai.media.packets import pts_of

# AAC needs the packet before, Opus 80 ms, to sound right after a jump; an MP3 frame may lean on
# 511 bytes of those before, which at 16 kbit/s are a quarter of a second.
PREROLL_SECONDS = 0.1
_MP3_PREROLL_SECONDS = 0.6
_AAC_SAMPLES = 1024
"""Of a packet; at 8 kHz, an eighth of a second."""
_RESAMPLER_SECONDS = 0.01
# For the resampler, and for pts that jitter.
TAIL_SECONDS = _RESAMPLER_SECONDS + TOLERANCE_SECONDS
_BLOCK_SECONDS = 1.0
_LONGEST_GAP_SECONDS = 24 * 3600.0


def preroll_seconds(audio: AudioStream | None) -> float:
    """How long before a window decoding has to begin."""
    if audio is None:
        return PREROLL_SECONDS
    context = audio.codec_context
    is_mp3 = context.codec.canonical_name == "mp3"
    packet_seconds = max(context.frame_size, _AAC_SAMPLES) / max(context.sample_rate, 1)
    return max(_MP3_PREROLL_SECONDS if is_mp3 else PREROLL_SECONDS, packet_seconds)


@dataclass(frozen=True)
class SoundRequest:
    """`num_samples` mono samples at `sample_rate_hz`, the first at `start_seconds`."""

    start_seconds: float
    num_samples: int
    sample_rate_hz: int

    def __post_init__(self) -> None:
        if self.num_samples < 1 or self.sample_rate_hz < 1:
            raise ValueError(f"a sound has samples and a rate; got {self}")

    @property
    def stop_seconds(self) -> float:
        """End of the window."""
        return self.start_seconds + self.num_samples / self.sample_rate_hz


@dataclass(frozen=True)
class Sound:
    """`samples`: float32 [1, num_samples], mono, in [-1, 1]. `coverage`: the share of the window
    that the file has audio for, 0 to 1; the rest is zeros.
    """

    samples: NDArray[np.float32]
    coverage: float


def read_sound(media: Media, packets: Sequence[Packet[Stream]], request: SoundRequest) -> Sound:
    """The requested window; silence with coverage 0 where the file has no audio stream.

    `packets`: the audio's, from `read_packets`, from `preroll_seconds` before the window to
    TAIL_SECONDS behind it.
    Raises SampleError if a packet of the window is damaged.

             start                        start + num_samples / rate
        -------|------------------------------|-------
          pad  |     native samples by pts    |  pad      pad: for the resampler's filter
    """
    silence = np.zeros((1, request.num_samples), np.float32)
    near = _overlapping(media, packets, request)
    if media.audio is None or not near:
        return Sound(silence, 0.0)
    frames = list(_decoded_strictly(media, near))
    rate = check_audio_rate(frames[0].sample_rate) if frames else request.sample_rate_hz
    window = _Window(request, rate)
    for _, index, samples in placed(media, media.audio, frames):
        window.put(index, samples)
    return window.sound()


class _Window:
    """Native samples of one request, padded on both sides by a whole number of output samples."""

    def __init__(self, request: SoundRequest, rate_hz: int) -> None:
        self._request, self._rate_hz = request, rate_hz
        common = gcd(rate_hz, request.sample_rate_hz)
        steps = ceil(_RESAMPLER_SECONDS * common)
        self._pad, self._out_pad = (
            steps * rate_hz // common,
            steps * request.sample_rate_hz // common,
        )
        self._length = ceil(request.num_samples * rate_hz / request.sample_rate_hz)
        self._first = round(request.start_seconds * rate_hz)
        self._native = np.zeros(self._length + 2 * self._pad, np.float32)
        self._covered = 0

    def put(self, index: int, samples: NDArray[np.float32]) -> None:
        """Puts `samples` where they belong; what lies outside is dropped."""
        at = index - self._first + self._pad
        low, high = max(at, 0), min(at + len(samples), len(self._native))
        if low < high:
            self._native[low:high] = samples[low - at : high - at]
        inside = min(high, self._pad + self._length) - max(low, self._pad)
        self._covered += max(inside, 0)

    def sound(self) -> Sound:
        """The window at the requested rate."""
        out_rate = self._request.sample_rate_hz
        parts = list(resampled([self._native], self._rate_hz, out_rate))
        stop = self._out_pad + self._request.num_samples
        samples = np.concatenate(parts)[self._out_pad : stop]
        assert len(samples) == self._request.num_samples
        return Sound(np.ascontiguousarray(samples[None]), self._covered / self._length)


def _overlapping(
    media: Media, packets: Sequence[Packet[Stream]], request: SoundRequest
) -> Sequence[Packet[Stream]]:
    if media.audio is None or not packets:
        return []
    pad = preroll_seconds(media.audio) + _RESAMPLER_SECONDS
    times = [pts_of(p) for p in packets]
    low = media.pts_at(request.start_seconds - pad, media.audio)
    high = media.pts_at(request.stop_seconds + TAIL_SECONDS, media.audio)
    if times != sorted(times):  # several edits, each behind what leads to it
        return [p for p, at in zip(packets, times, strict=True) if low <= at <= high]
    first = max(bisect_right(times, low) - 1, 0)
    return packets[first : bisect_right(times, high)]


def _decoded_strictly(media: Media, packets: Sequence[Packet[Stream]]) -> Iterator[AudioFrame]:
    assert media.audio is not None
    context = media.audio.codec_context
    budget = Budget(MOST_SOUND_VALUES, "audio samples decoded")
    for packet in packets:
        if packet.is_corrupt:
            raise SampleError(f"audio packet at pts {packet.pts} is damaged")
        for frame in context.decode(packet):
            budget.spend(frame.samples * frame.layout.nb_channels)
            yield frame
    yield from context.decode(None)
    context.flush_buffers()


class NoSoundError(SampleError):
    """An audio stream is declared that holds nothing."""


@dataclass
class Lost:
    """The sound that does not decode, as far as a file has been heard; silence is in its place."""

    packets: int = 0
    seconds: float = 0.0
    """Of those packets that say how long they are."""

    def add(self, packet: Packet[Stream]) -> None:
        """Counts `packet`."""
        self.packets += 1
        self.seconds += float((packet.duration or 0) * time_base(packet.stream))


def audio_blocks(file: MediaFile, sample_rate_hz: int = 16000) -> Iterator[NDArray[np.float32]]:
    """The blocks of `sound_blocks` from `file`: a path, the bytes of a file, or a seekable binary
    file object. Raises SampleError likewise, and if the file is no media.
    """
    with open_media(file) as media:
        yield from sound_blocks(media, sample_rate_hz)


def sound_blocks(
    media: Media, sample_rate_hz: int, lost: Lost | None = None
) -> Iterator[NDArray[np.float32]]:
    """The whole audio of a file, mono, from time zero of its video clock; float32 [n] blocks.

    Sample i of the joined blocks stands at i / sample_rate_hz seconds. Audio that starts later
    than the video is preceded by zeros, what lies before the video is dropped, gaps (also those
    of packets that do not decode, which `lost` counts) are zeros. Blocks are about a second, or
    what lies between two seams; memory does not grow with the file. The samples end where the
    audio ends.

    `media` stands at its start. Raises SampleError if there is no audio stream, none of it
    decodes, or the file is damaged past reading on; NoSoundError if the stream is empty.
    """
    if media.audio is None:
        raise SampleError("has no audio stream")
    media.only(media.audio)
    lost = lost or Lost()
    pieces = placed(media, media.audio, _decoded_leniently(media, media.audio, lost))
    first = next(pieces, None)
    if first is None and not lost.packets:
        raise NoSoundError("its audio stream holds nothing")
    if first is None:
        raise SampleError("none of its audio decodes")
    rate = first[0]
    native = _continuous((piece[1:] for piece in chain([first], pieces)), rate)
    yield from resampled(native, rate, sample_rate_hz)


def _decoded_leniently(media: Media, audio: AudioStream, lost: Lost) -> Iterator[AudioFrame]:
    """All frames that decode; `lost` counts the other packets. The pts of the next good one tell
    how much is missing."""
    decode = audio.codec_context.decode
    for packet in media.demux(audio):
        try:
            frames = decode(packet)
        except FFmpegError:
            if packet.size:  # else the one behind all, for what the decoder holds back
                lost.add(packet)
            continue
        yield from frames


def _continuous(
    pieces: Iterator[tuple[int, NDArray[np.float32]]], rate_hz: int
) -> Iterator[NDArray[np.float32]]:
    """The pieces as one signal from index 0 on, its gaps filled with blocks of zeros."""
    block, at = round(_BLOCK_SECONDS * rate_hz), 0
    for index, samples in pieces:
        if index - at > _LONGEST_GAP_SECONDS * rate_hz:
            raise SampleError(f"its audio jumps from {at / rate_hz:.1f} to {index / rate_hz:.1f} s")
        while at < index:
            yield np.zeros(min(block, index - at), np.float32)
            at += min(block, index - at)
        kept = samples[max(at - index, 0) :]
        if len(kept):
            yield kept
            at += len(kept)
