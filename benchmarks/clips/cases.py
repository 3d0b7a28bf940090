"""Stored segments, and the moments in them that every way decodes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from benchmarks.clips.sources import SOURCES, source_file
from replai.core.record import Moment, SampleRecord
from replai.core.timeline import Span
from replai.media.audio import SoundRequest
from replai.media.video import ClipRequest
from replai.stream.__main__ import REPLAI_VIEWS
from replai.stream.crops import CropConfig
from replai.stream.decode import DecodeConfig, _clips, _sound
from replai.stream.plan import Place
from replai.stream.sampling import SamplingConfig
from replai.stream.unpack import Unpacked
from replai.views import AudioView, VideoView
from sharder.encode import CopyProfile, Profile, TranscodeProfile, encode_file

SPAN = Span(1.0, 13.2)
"""A segment of 10 s with margins of 1.1 s, as `sharder pack` plans them."""
MARGIN_SECONDS = 1.1
PROFILES: dict[str, Profile] = {"copy": CopyProfile(), "stored": TranscodeProfile()}


@dataclass(frozen=True)
class Segment:
    """One stored segment. `first_seconds`: where the asked-for span starts on its clock."""

    name: str
    media: bytes
    record: SampleRecord
    first_seconds: float


@dataclass(frozen=True)
class Case:
    """Moments of one segment, decoded in one visit; `number` names their crops."""

    segment: Segment
    seconds: tuple[float, ...]
    number: int

    @cached_property
    def sample(self) -> Unpacked:
        """What a worker would decode: the segment, with these moments."""
        moments = tuple(Moment(seconds=s, prominence=None) for s in self.seconds)
        record = SampleRecord(**{**vars(self.segment.record), "moments": moments})
        place = Place(epoch=0, batch=0, slot=0, position=self.number, item=0)
        return Unpacked(place, 0, 0, self.segment.name, record, self.segment.media)

    @cached_property
    def config(self) -> DecodeConfig:
        """RepLAI's views at all moments, with its augmentation."""
        return DecodeConfig(
            views=REPLAI_VIEWS,
            sampling=SamplingConfig(per_visit=len(self.seconds)),
            crop=CropConfig(), augment=True, seed=0,
        )  # fmt: skip

    @cached_property
    def clips(self) -> list[ClipRequest]:
        """The clips of the (first) moment, with the crops that the worker would draw."""
        videos = [view for view in REPLAI_VIEWS if isinstance(view, VideoView)]
        return _clips(self.sample, videos, self.seconds[0], 0, self.config)

    @cached_property
    def sound(self) -> SoundRequest:
        """The sound of the (first) moment."""
        (audio,) = (view for view in REPLAI_VIEWS if isinstance(view, AudioView))
        return _sound(audio, self.seconds[0])


def make_segments(folder: Path) -> dict[str, list[Segment]]:
    """Profile -> a segment of each source; the sources are made in `folder`, or found there."""
    files = [source_file(recipe, folder) for recipe in SOURCES]
    return {
        name: [stored(path, profile, f"{path.stem}/{name}") for path in files]
        for name, profile in PROFILES.items()
    }


def stored(path: Path, profile: Profile, name: str) -> Segment:
    """The span of `path`, as `profile` stores it."""
    with path.open("rb") as file:
        encoded = encode_file(profile, file, SPAN)
    record = SampleRecord(
        video_id=path.stem,
        start_seconds=encoded.start_seconds,
        duration_seconds=encoded.duration_seconds,
        video=encoded.video,
        audio=encoded.audio,
        moments=(),
        actions=(),
    )
    return Segment(name, encoded.media, record, SPAN.start_seconds - encoded.start_seconds)


def cases(segments: Sequence[Segment], num_moments: int, per_visit: int = 1) -> list[Case]:
    """`num_moments` visits to each segment, at the same times of the source in each profile."""
    rng, found = np.random.default_rng(0), []
    room = SPAN.duration_seconds - 2 * MARGIN_SECONDS
    for segment in segments:
        first = segment.first_seconds + MARGIN_SECONDS
        for number in range(num_moments):
            seconds = first + np.sort(rng.uniform(0, room, per_visit))
            found.append(Case(segment, tuple(seconds.tolist()), number))
    return found
