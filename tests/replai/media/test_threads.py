"""A worker decodes on one thread: N workers on N cores must not fight for them."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from functools import cache, partial

import av
import pytest
from av.filter import Graph
from av.video.reformatter import VideoReformatter

from replai.media.audio import SoundRequest, audio_blocks
from replai.media.decode import read_views
from replai.media.probe import probe
from replai.media.scale import Geometry, Scaler
from replai.media.video import ClipRequest
from tests.replai.media.synthetic import Recipe, encoded
from tests.tasks import threads_of

FILE = Recipe(width=512, height=288, num_frames=60, audio_seconds=2.0)
EIGHT_CHANNELS = Recipe(num_frames=0, audio_channels=8, audio_seconds=1.0, chirp_seconds=())
FILES = {"sound of eight channels": EIGHT_CHANNELS}
WHOLE = Geometry(0, 0, 512, 288, 256, 256, False)
SOUND = SoundRequest(0.0, 16000, 16000)


def scale_with_a_kept_graph(data: bytes) -> None:
    frame = av.VideoFrame(512, 288, "yuv420p")
    for _ in range(3):
        Scaler(WHOLE)(frame)


WORK: dict[str, Callable[[bytes], object]] = {
    "clips": lambda data: read_views(data, [ClipRequest(0.2, 1.5, 24, WHOLE)], []),
    "sound": lambda data: read_views(data, [], [SOUND]),
    "sound of eight channels": lambda data: read_views(data, [], [SOUND]),
    "all sound": lambda data: list(audio_blocks(data)),
    "a kept graph": scale_with_a_kept_graph,
    "facts": probe,
}


def decode(data: bytes, kind: str) -> None:
    with av.open(io.BytesIO(data)) as container:
        context = container.streams.video[0].codec_context
        context.thread_count, context.thread_type = 3, kind
        for _ in container.decode(video=0):
            pass


def filter_frames(data: bytes) -> None:
    graph = Graph()
    graph.threads = 3
    source = graph.add("buffer", "video_size=64x64:pix_fmt=yuv420p:time_base=1/30")
    graph.link_nodes(source, graph.add("hflip"), graph.add("buffersink"))
    graph.configure()


def reformat(data: bytes) -> None:
    reformatter = VideoReformatter()
    reformatter.reformat(av.VideoFrame(512, 288, "yuv420p"), 256, 256, "rgb24", threads=3)


def resample(data: bytes) -> None:
    resampler = av.AudioResampler("flt", "mono", 16000)
    with av.open(io.BytesIO(data)) as container:
        resampler.resample(next(container.decode(audio=0)))


THREADED: dict[str, Callable[[bytes], object]] = {
    "a decoder's, a frame each": partial(decode, kind="FRAME"),
    "a decoder's, a slice each": partial(decode, kind="SLICE"),
    "a graph's": filter_frames,
    "a reformatter's": reformat,
    "a resampler's": resample,
}


source = cache(encoded)


@pytest.mark.parametrize("name", WORK)
def test_reading_starts_no_threads(name: str) -> None:
    data = source(FILES.get(name, FILE))
    assert not threads_of(lambda: WORK[name](data))


@pytest.mark.parametrize("name", THREADED)
def test_the_look_finds_threads(name: str) -> None:
    if name == "a resampler's" and len(os.sched_getaffinity(0)) == 1:
        pytest.skip("starts a thread for each CPU, and here is one")
    data = source(FILE)
    assert threads_of(lambda: THREADED[name](data))
