"""Decode, scale and encode, and nothing else: what the transcoded profile cannot do without.

A program written for these files alone: it knows that they are H.264 and stereo AAC in MP4, takes
the decoder's word for every time, and keeps nothing.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from fractions import Fraction

import av
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.container import InputContainer, OutputContainer
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream

from replai.core.timeline import Span
from sharder.encoded import MP4_OPTIONS
from sharder.segments import Segment
from sharder.transcoding import TranscodeSettings, add_video, scaled_size

PREROLL_SECONDS = 0.1


def bare(segments: Sequence[Segment], settings: TranscodeSettings) -> int:
    """Makes all `segments`; bytes of what was thrown away."""
    return sum(_segment(s.url, s.span, settings) for s in segments)


def _segment(path: str, span: Span, settings: TranscodeSettings) -> int:
    sink = io.BytesIO()
    with av.open(path) as source, av.open(sink, "w", format="mp4", options=MP4_OPTIONS) as target:
        video, audio = source.streams.video[0], source.streams.audio[0]
        video.codec_context.thread_count = 1
        size = scaled_size(video.width, video.height, settings.short_side)
        picture = add_video(target, *size, settings)
        sound = target.add_stream(
            "aac", rate=settings.audio_rate_hz, layout="stereo", options={"aac_coder": "fast"}
        )
        sound.bit_rate = settings.audio_kbit_per_channel * 2000
        _pictures(source, video, target, picture, span)
        _sound(source, audio, target, sound, span)
    return len(sink.getvalue())


def _pictures(
    source: InputContainer, video: VideoStream, target: OutputContainer, picture: VideoStream,
    span: Span,
) -> None:  # fmt: skip
    assert video.time_base is not None and picture.codec_context.time_base is not None
    tick, slot = float(video.time_base), float(picture.codec_context.time_base)
    source.seek(int(span.start_seconds / tick), stream=video)
    reformatter, shown, number = VideoReformatter(), None, 0
    count = round(span.duration_seconds / slot)
    for frame in source.decode(video):
        assert frame.pts is not None
        seconds = frame.pts * tick - span.start_seconds
        while shown is not None and number < count and (number + 0.5) * slot < seconds:
            size = picture.width, picture.height
            scaled = reformatter.reformat(shown, *size, "yuv420p", threads=1)
            scaled.pts, scaled.time_base = number, picture.codec_context.time_base
            scaled.pict_type = 0
            target.mux(picture.encode(scaled))
            number += 1
        if number == count:
            break
        shown = frame
    target.mux(picture.encode(None))


def _sound(
    source: InputContainer, audio: AudioStream, target: OutputContainer, sound: AudioStream,
    span: Span,
) -> None:  # fmt: skip
    assert audio.time_base is not None
    tick = float(audio.time_base)
    source.seek(int(max(span.start_seconds - PREROLL_SECONDS, 0) / tick), stream=audio)
    resampler = AudioResampler("fltp", "stereo", sound.rate)
    position = 0
    for frame in source.decode(audio):
        assert frame.pts is not None
        if frame.pts * tick >= span.stop_seconds:
            break
        if frame.pts * tick < span.start_seconds:
            continue
        for part in resampler.resample(frame):
            part.pts, part.time_base = position, Fraction(1, sound.rate)
            position += part.samples
            target.mux(sound.encode(part))
    target.mux(sound.encode(None))
