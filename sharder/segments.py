"""Which part of a video goes into which sample: pure functions from times to plans.

A video is cut into cores of about `core_seconds`; each is stored with `margin_seconds` of video
on both sides, so that every window around every moment of the core lies inside the segment:

      core 0            core 1            core 2
    |─────────────────|─────────────────|─────────────────|      the video, each second once
    [─────────────────|-m)                                        stored segment 0
                  [m──|─────────────────|-m)                      stored segment 1
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass

from replai.core.record import Action, Moment
from replai.core.seeding import generator
from replai.core.timeline import Span

SHORTEST_CORE_SECONDS = 0.1
LONGEST_ID_IN_KEY = 64
"""Characters: the name of a tar's member has at most 100."""


@dataclass(frozen=True, kw_only=True)
class SegmentConfig:
    """How videos are cut."""

    core_seconds: float = 10.0
    margin_seconds: float = 1.1
    """At least the furthest reach of any view that training may ask for."""

    def __post_init__(self) -> None:
        if not SHORTEST_CORE_SECONDS <= self.core_seconds < math.inf:
            raise ValueError(
                f"segment_seconds is {self.core_seconds}; at least {SHORTEST_CORE_SECONDS}"
            )
        if not 0 <= self.margin_seconds < math.inf:
            raise ValueError(f"margin_seconds is {self.margin_seconds}; at least 0")


@dataclass(frozen=True, kw_only=True)
class Segment:
    """One sample to be made. All times are seconds on the source's clock."""

    video_id: str
    url: str
    core_start_seconds: float
    span: Span
    """What is stored: the core and its margins."""
    moments: tuple[Moment, ...]
    actions: tuple[Action, ...]
    size: tuple[int, int] | None = None
    """(width, height) of the video's frames as displayed."""

    @property
    def key(self) -> str:
        """The sample's key: unique in the dataset, without dots or slashes."""
        return f"{safe_key(self.video_id)}_{round(self.core_start_seconds * 1000):09d}"


def safe_key(video_id: str) -> str:
    """`video_id` with everything but letters, digits, `-` and `_` replaced by `-`.

    An id that is changed or cut by that gets a digest of the whole, which keeps it unique.
    """
    safe = "".join(c if (c.isascii() and c.isalnum()) or c in "-_" else "-" for c in video_id)
    if safe == video_id and len(safe) <= LONGEST_ID_IN_KEY:
        return safe
    return f"{safe[:LONGEST_ID_IN_KEY]}-{hashlib.sha256(video_id.encode()).hexdigest()[:12]}"


def cut_video(
    video_id: str,
    url: str,
    duration_seconds: float,
    moments: Sequence[Moment],
    actions: Sequence[Action],
    config: SegmentConfig,
    size: tuple[int, int] | None = None,
) -> list[Segment]:
    """The segments of one video.

    A moment goes to the segment whose core it is in, unless it lies within the margin of the
    video's ends, where its windows would not fit; an action goes to the segment whose core holds
    its middle, cut to what that segment stores.
    """
    num_cores = max(1, round(duration_seconds / config.core_seconds))
    length = duration_seconds / num_cores
    video, margin = Span(0.0, duration_seconds), config.margin_seconds
    segments = []
    for number in range(num_cores):
        last = number == num_cores - 1
        core = Span(number * length, float("inf") if last else (number + 1) * length)
        stored = Span(
            video.clip(core.start_seconds - margin), video.clip(core.stop_seconds + margin)
        )
        segments.append(
            Segment(
                video_id=video_id,
                url=url,
                core_start_seconds=core.start_seconds,
                span=stored,
                moments=tuple(
                    m
                    for m in moments
                    if core.contains(m.seconds) and fits(m.seconds, duration_seconds, margin)
                ),
                actions=tuple(
                    a.cut(stored)
                    for a in actions
                    if core.contains(_middle(a)) and _inside(a, video)
                ),
                size=size,
            )
        )
    return segments


def spread_over_shards(
    segments: Sequence[Segment], samples_per_shard: int, seed: int
) -> list[tuple[Segment, ...]]:
    """The plan: which segments, in which order, make which shard.

    The order is a seeded shuffle of all segments of all videos, so that somebody who reads the
    shards from front to back also sees a mix. One with a moment and one with an action come first:
    there are readers who take the fields of all samples from the first few.
    """
    order = generator(seed, 0, 0, "shards").permutation(len(segments))
    shuffled = [segments[i] for i in order]
    for telling in (
        next((s for s in shuffled if s.actions), None),
        next((s for s in shuffled if s.moments), None),
    ):
        if telling is not None:
            shuffled.remove(telling)
            shuffled.insert(0, telling)
    return [
        tuple(shuffled[i : i + samples_per_shard])
        for i in range(0, len(shuffled), samples_per_shard)
    ]


def fits(seconds: float, duration_seconds: float, margin_seconds: float) -> bool:
    """Whether all windows around that time of a video, of that length, lie inside it."""
    return margin_seconds <= seconds <= duration_seconds - margin_seconds


def _middle(action: Action) -> float:
    return (action.start_seconds + action.stop_seconds) / 2


def _inside(action: Action, video: Span) -> bool:
    return action.start_seconds < video.stop_seconds
