"""Script -> one mp4 file: H.264 and AAC, like a camera's, written whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.video.stream import VideoStream

from sharder.world.canvas import Pixels
from sharder.world.impact import SAMPLE_RATE_HZ, Samples
from sharder.world.render import render
from sharder.world.script import Script
from sharder.world.sound import synthesise

AUDIO_BIT_RATE = 128_000
GOP_SECONDS = 2
CHUNK_SAMPLES = 1024
"""Samples handed to the encoder at a time: one AAC frame."""


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Give a temporary name beside `path`, and move it there only if all went well."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_movie(script: Script, path: Path) -> None:
    """Render, synthesise and encode one video into `path`."""
    with whole_file(path) as temporary, av.open(str(temporary), "w", format="mp4") as container:
        video = _add_video(container, script)
        audio = _add_audio(container)
        _write_streams(container, video, audio, script)


def _add_video(container: OutputContainer, script: Script) -> VideoStream:
    settings = script.settings
    # x264's macroblock tree is not reproducible on every CPU.
    options = {"preset": "veryfast", "crf": "23", "mbtree": "0"}
    stream = container.add_stream("libx264", rate=settings.fps, options=options)
    stream.width, stream.height = settings.width, settings.height
    stream.pix_fmt = "yuv420p"
    stream.codec_context.time_base = Fraction(1, settings.fps)
    stream.codec_context.gop_size = GOP_SECONDS * settings.fps
    # Videos are encoded side by side: one thread each, which also keeps the bytes the same.
    stream.codec_context.thread_count = 1
    return stream


def _add_audio(container: OutputContainer) -> AudioStream:
    # The default coder ("twoloop") takes longer than rendering and H.264 together.
    options = {"aac_coder": "fast"}
    stream = container.add_stream("aac", rate=SAMPLE_RATE_HZ, options=options, layout="stereo")
    stream.bit_rate = AUDIO_BIT_RATE
    stream.codec_context.time_base = Fraction(1, SAMPLE_RATE_HZ)
    return stream


def _write_streams(
    container: OutputContainer, video: VideoStream, audio: AudioStream, script: Script
) -> None:
    """Encode both streams side by side, so that they lie interleaved in the file."""
    sound = synthesise(script)
    chunks = iter(_audio_frames(sound))
    written_seconds = 0.0
    for index, picture in enumerate(render(script)):
        container.mux(video.encode(_video_frame(picture, index)))
        while written_seconds < index / script.settings.fps:
            chunk = next(chunks)
            container.mux(audio.encode(chunk))
            written_seconds += chunk.samples / SAMPLE_RATE_HZ
    for chunk in chunks:
        container.mux(audio.encode(chunk))
    container.mux(video.encode(None))
    container.mux(audio.encode(None))


def _video_frame(picture: Pixels, index: int) -> av.VideoFrame:
    frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
    frame.pts = index
    return frame


def _audio_frames(sound: Samples) -> Iterator[av.AudioFrame]:
    for start in range(0, sound.shape[1], CHUNK_SAMPLES):
        block = np.ascontiguousarray(sound[:, start : start + CHUNK_SAMPLES])
        frame = av.AudioFrame.from_ndarray(block, format="fltp", layout="stereo")
        frame.sample_rate = SAMPLE_RATE_HZ
        frame.pts = start
        frame.time_base = Fraction(1, SAMPLE_RATE_HZ)
        yield frame
