"""How much work a read is: one seek, and no frame decoded or scaled that no view needs."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cache

import av
import pytest
from av.video.frame import PictureType

from replai.media import decode, scale, video
from replai.media.decode import read_views
from replai.media.scale import Geometry
from replai.media.video import ClipRequest
from tests.replai.media.synthetic import Recipe, encoded

FPS = 30
FILE = Recipe(
    b_frames=2, fps=FPS, num_frames=120, audio_codec=None,
    codec_options=(("b-pyramid", "none"), ("b_strategy", "0")),
)  # fmt: skip
SIZES = {1.6: 48, 2.1: 32}
"""Of the crops around each moment."""


@cache
def data() -> bytes:
    return encoded(FILE)


@dataclass(frozen=True)
class Stored:
    """A packet: the number of its frame, and what hangs on it."""

    number: int
    starts_gop: bool
    is_leant_on: bool


@cache
def packets() -> list[Stored]:
    """In decode order, by decoding everything."""
    with av.open(io.BytesIO(data())) as container:
        stored = [(p.pts, p.is_keyframe) for p in container.demux(video=0) if p.size]
    with av.open(io.BytesIO(data())) as container:
        kinds = {frame.pts: frame.pict_type for frame in container.decode(video=0)}
    numbers = {pts: number for number, pts in enumerate(sorted(kinds))}
    return [Stored(numbers[pts], key, kinds[pts] != PictureType.B) for pts, key in stored]


@dataclass
class Work:
    """What a read did."""

    decoded: list[int] = field(default_factory=list)
    """Frames that came out of the decoder, by pts."""
    scaled: list[tuple[Geometry, int]] = field(default_factory=list)
    graphs: list[object] = field(default_factory=list)
    seeks: int = 0


class _Container:
    """A container whose calls of `seek` are counted."""

    def __init__(self, container: object, work: Work) -> None:
        self._container, self._work = container, work

    def __getattr__(self, name: str) -> object:
        self._work.seeks += name == "seek"
        return getattr(self._container, name)


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch) -> Work:
    done = Work()
    open_sample, decoded_run = decode.open_sample, video._decoded_run
    scaled, made = scale.Scaler.__call__, scale._Graph.__init__

    @contextmanager
    def opened(file):
        with open_sample(file) as media:
            yield replace(media, container=_Container(media.container, done))

    def decoded(*arguments) -> Iterator[av.VideoFrame]:
        for frame in decoded_run(*arguments):
            done.decoded.append(frame.pts)
            yield frame

    def scale_one(scaler, frame):
        done.scaled.append((scaler._geometry, frame.pts))
        return scaled(scaler, frame)

    def make(graph, kind):
        done.graphs.append(kind)
        made(graph, kind)

    monkeypatch.setattr(scale, "_GRAPHS", scale._Graphs())
    monkeypatch.setattr(decode, "open_sample", opened)
    monkeypatch.setattr(video, "_decoded_run", decoded)
    monkeypatch.setattr(scale.Scaler, "__call__", scale_one)
    monkeypatch.setattr(scale._Graph, "__init__", make)
    return done


def clips_around(*moments: float) -> list[ClipRequest]:
    """Of each moment two views, as RepLAI's, each with a crop of its own place."""
    return [
        ClipRequest(
            start, 0.5, 8, Geometry(8 * place, 0, SIZES[moment], SIZES[moment], 40, 40, False)
        )
        for moment in moments
        for place, start in enumerate((moment - 0.6, moment + 0.1))
    ]


def wanted_by(clip: ClipRequest) -> set[int]:
    return {int(seconds * FPS + 1e-6) for seconds in clip.frame_seconds}


def needed(wanted: set[int]) -> set[int]:
    """Frames to decode: those, and in their GOPs what others lean on, up to the last of them."""
    found, gop = set(), []
    for packet in [*packets(), Stored(-1, True, False)]:
        if packet.starts_gop:
            last = max((i for i, p in enumerate(gop) if p.number in wanted), default=-1)
            found |= {p.number for p in gop[: last + 1] if p.is_leant_on or p.number in wanted}
            gop = []
        gop.append(packet)
    return found


@pytest.mark.parametrize("moments", [(1.6,), (1.6, 2.1)], ids=["one moment", "windows that touch"])
def test_nothing_is_done_that_no_view_needs(moments: tuple[float, ...], work: Work) -> None:
    clips = clips_around(*moments)
    frames = [wanted_by(clip) for clip in clips]
    assert len(needed(set().union(*frames))) < max(map(max, frames)) - min(map(min, frames))
    read_views(data(), clips, [])
    tick = 512  # of pts, a frame
    assert Counter(work.decoded) == Counter(n * tick for n in needed(set().union(*frames)))
    assert Counter(work.scaled) == Counter(
        (clip.geometry, n * tick)
        for clip, wanted in zip(clips, frames, strict=True)
        for n in wanted
    )
    assert len(work.graphs) == len(moments)
    assert work.seeks == 1
