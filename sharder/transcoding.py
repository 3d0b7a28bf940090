"""The transcoded profile: small frames on a fixed grid, short GOPs, AAC sound."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import ceil
from typing import Any, TypeVar

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.packet import Packet
from av.stream import Stream
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream
from numpy.typing import NDArray

from replai.core.errors import SampleError
from replai.core.record import VideoFacts
from replai.core.timeline import Span, slot_centres
from replai.media.container import Media
from replai.media.mono import TOLERANCE_SECONDS
from replai.media.rotation import Upright, shown_size
from sharder.encoded import MP4_OPTIONS, EncodedSegment, audio_facts, sound_of
from sharder.span_packets import read_span

AAC_RATES_HZ = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)

FrameT = TypeVar("FrameT", VideoFrame, AudioFrame)


@dataclass(frozen=True, kw_only=True)
class TranscodeSettings:
    """How segments are encoded anew. docs/scale.md says what each default was chosen for."""

    short_side: int = 256
    """Pixels; a smaller source keeps its size."""
    fps: int = 16
    gop_frames: int = 8
    """Frames from keyframe to keyframe."""
    crf: int = 23
    """x264's constant rate factor, 0..51; lower is better and larger."""
    preset: str = "veryfast"
    tune: str = "fastdecode"
    """x264's, if any; `fastdecode` leaves out what decoders spend most on."""
    audio_kbit_per_channel: int = 32
    audio_rate_hz: int = 16000
    """Highest rate of the stored sound, one of AAC's; a lower rate that AAC knows is kept. 16 kHz
    is what the audio encoder hears."""


def transcode_span(media: Media, span: Span, settings: TranscodeSettings) -> EncodedSegment:
    """The frames on screen at each 1/fps slot of `span`, upright and scaled, and its sound with
    its own channels, at most `audio_rate_hz`. Raises SampleError where nothing decodes.
    """
    if media.video is None or not media.video.width * media.video.height:
        raise SampleError("no video stream")
    num_frames = max(1, ceil(span.duration_seconds * settings.fps - 1e-6))
    packets = read_span(media, span)
    stored = Span(span.start_seconds, span.start_seconds + num_frames / settings.fps)
    size = shown_size(media.video.codec_context, packets.video)
    width, height = _scaled(*size, settings.short_side)
    sink, source = io.BytesIO(), sound_of(media)
    rate_hz = stored_rate_hz(source.rate, settings.audio_rate_hz) if source else None
    facts = audio_facts(source, rate_hz)  # now: a damaged frame changes what the stream says
    with av.open(sink, "w", format="mp4", options=MP4_OPTIONS) as target:
        picture = _add_video(target, width, height, settings)
        sound = _add_audio(target, source, settings, rate_hz) if source and rate_hz else None
        _encode_pictures(target, picture, _frames_of(media, packets.video, stored, num_frames))
        if source is not None and sound is not None:
            kind = _Kind(source.layout.name, source.channels, source.rate)
            samples = _samples_of(media, source, kind, packets.audio, stored)
            _encode_sound(target, sound, _at_rate(samples, kind, sound.rate))
    return EncodedSegment(
        media=sink.getvalue(),
        start_seconds=stored.start_seconds,
        duration_seconds=num_frames / settings.fps,
        video=VideoFacts(width=width, height=height, fps=float(settings.fps), codec="h264"),
        audio=facts,
    )


def stored_rate_hz(source_rate_hz: int, highest_hz: int) -> int:
    """The rate of AAC's that is nearest below the source's and the highest allowed."""
    limit = min(source_rate_hz, highest_hz)
    return max((rate for rate in AAC_RATES_HZ if rate <= limit), default=AAC_RATES_HZ[0])


def _scaled(width: int, height: int, short_side: int) -> tuple[int, int]:
    """Even sizes with the given short side, never larger than the source."""
    factor = min(1.0, short_side / min(width, height))
    return max(2, round(width * factor / 2) * 2), max(2, round(height * factor / 2) * 2)


def _add_video(
    target: OutputContainer, width: int, height: int, settings: TranscodeSettings
) -> VideoStream:
    # x264's macroblock tree uses approximate reciprocals: other bytes at another try.
    options = {"crf": str(settings.crf), "preset": settings.preset, "mbtree": "0"}
    if settings.tune:
        options["tune"] = settings.tune
    stream = target.add_stream("libx264", rate=settings.fps, options=options)
    stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
    stream.codec_context.gop_size = settings.gop_frames
    stream.codec_context.thread_count = 1
    stream.codec_context.time_base = Fraction(1, settings.fps)
    return stream


def _add_audio(
    target: OutputContainer, source: AudioStream, settings: TranscodeSettings, rate_hz: int
) -> AudioStream:
    stream = target.add_stream(
        "aac", rate=rate_hz, layout=source.layout.name, options={"aac_coder": "fast"}
    )
    stream.bit_rate = settings.audio_kbit_per_channel * 1000 * source.channels
    return stream


def _encode_pictures(
    target: OutputContainer, stream: VideoStream, frames: Iterator[VideoFrame]
) -> None:
    reformatter, upright = VideoReformatter(), Upright()
    for number, frame in enumerate(frames):
        scaled = reformatter.reformat(upright(frame), stream.width, stream.height, "yuv420p")
        scaled.pts, scaled.time_base = number, stream.codec_context.time_base
        scaled.pict_type = 0  # the encoder chooses anew, whatever the source chose
        target.mux(stream.encode(scaled))
    target.mux(stream.encode(None))


def _frames_of(
    media: Media, packets: Sequence[Packet[Stream]], span: Span, num_frames: int
) -> Iterator[VideoFrame]:
    """For each slot of `span`, the frame on screen at its centre: the last that began by then."""
    assert media.video is not None
    times = slot_centres(span.start_seconds, span.duration_seconds, num_frames)
    wanted = [media.pts_at(seconds, media.video) for seconds in times.tolist()]
    shown, done = None, 0
    for frame in _decoded(media.video.codec_context.decode, packets):
        if frame.pts is None:
            continue
        while done < num_frames and shown is not None and wanted[done] < frame.pts:
            yield shown
            done += 1
        if done == num_frames:
            return
        shown = frame
    if shown is None:
        raise SampleError("no frame of the span decodes")
    for _ in range(done, num_frames):
        yield shown


@dataclass(frozen=True)
class _Kind:
    """What the source's sound is said to be, before any of it is decoded."""

    layout: str
    channels: int
    rate_hz: int


def _samples_of(
    media: Media, stream: AudioStream, kind: _Kind, packets: Sequence[Packet[Stream]], span: Span
) -> NDArray[np.float32]:
    """The span's sound, every channel, placed by pts; float32 [channels, n], gaps are zeros."""
    rate = kind.rate_hz
    first = round(span.start_seconds * rate)
    samples = np.zeros((kind.channels, round(span.stop_seconds * rate) - first), np.float32)
    to_float = av.AudioResampler(format="fltp", layout=kind.layout, rate=rate)
    following: int | None = None
    for frame in _decoded(stream.codec_context.decode, packets):
        for part in to_float.resample(frame):
            if part.pts is None or part.time_base is None:
                continue
            start = round(float(part.pts * part.time_base - media.origin) * rate) - first
            if following is not None and abs(start - following) <= TOLERANCE_SECONDS * rate:
                start = following
            _put(samples, start, part.to_ndarray())
            following = start + part.samples
    return samples


def _decoded(
    decode: Callable[[Packet[Stream] | None], list[FrameT]], packets: Sequence[Packet[Stream]]
) -> Iterator[FrameT]:
    for packet in (*packets, None):
        yield from decode(packet)


def _put(samples: NDArray[np.float32], start: int, part: NDArray[Any]) -> None:
    low, high = max(start, 0), min(start + part.shape[1], samples.shape[1])
    if low < high:
        samples[:, low:high] = part[:, low - start : high - start]


def _at_rate(samples: NDArray[np.float32], source: _Kind, rate_hz: int) -> NDArray[np.float32]:
    """`samples` [channels, n] of the source's rate at `rate_hz`, in step with it."""
    if source.rate_hz == rate_hz or not samples.size:
        return samples
    frame = AudioFrame.from_ndarray(samples, format="fltp", layout=source.layout)
    frame.sample_rate = source.rate_hz
    resampler = av.AudioResampler(format="fltp", layout=source.layout, rate=rate_hz)
    parts = [*resampler.resample(frame), *resampler.resample(None)]
    return np.concatenate([part.to_ndarray() for part in parts if part.samples], axis=1)


def _encode_sound(
    target: OutputContainer, stream: AudioStream, samples: NDArray[np.float32]
) -> None:
    for start in range(0, samples.shape[1], 1024):
        block = np.ascontiguousarray(samples[:, start : start + 1024])
        frame = AudioFrame.from_ndarray(block, format="fltp", layout=stream.layout.name)
        frame.sample_rate, frame.pts = stream.rate, start
        frame.time_base = Fraction(1, stream.rate)
        target.mux(stream.encode(frame))
    target.mux(stream.encode(None))
