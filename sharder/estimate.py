"""What a plan will cost, told before anything is written: `sharder pack --dry-run`.

A few segments, spread evenly over the plan (whose order is a shuffle), are made and thrown away.
Time and, where frames are encoded anew, bytes follow from them; where packets are copied, bytes
follow from the bit rates of all the sources.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from replai.core import storage
from replai.core.errors import SampleError
from sharder.encode import Profile, encode_file
from sharder.part import sample_record
from sharder.plan import PackConfig, Plan
from sharder.report import with_progress
from sharder.segments import Segment
from sharder.shards import Sample, tar_members

MOST_TRIED = 8


@dataclass
class Trial:
    """What making a few segments took and gave."""

    made: int = 0
    planned_seconds: float = 0.0
    stored_seconds: float = 0.0
    """More than was planned where a segment starts at the keyframe before."""
    wall_seconds: float = 0.0
    bytes: int = 0
    problem: str = ""
    """Why the last one that failed did."""


def estimate(
    root: str,
    plan: Plan,
    profile: Profile,
    config: PackConfig,
    workers: int,
) -> str:
    """A line for each figure of the plan."""
    segments = plan.segments
    trial = try_some(segments, profile)
    hours = sum(v.facts.duration_seconds for v in plan.videos if v.facts is not None) / 3600
    stored = sum(segment.span.duration_seconds for segment in segments) / 3600
    lines = {
        "videos": f"{len(plan.videos)}",
        "hours": f"{hours:.2f}; {stored:.2f} stored, with margins",
        "moments": f"{sum(len(segment.moments) for segment in segments)}",
        "actions": f"{sum(len(segment.actions) for segment in segments)}",
        "segments": f"{len(segments)}, of {config.segments.core_seconds:g} s",
        "shards": f"{len(plan.shards)}, of up to {config.samples_per_shard} segments",
        "profile": profile.name,
        "bytes": _bytes(plan, profile, trial),
        "time": _time(segments, trial, min(workers, len(plan.shards))),
    }
    told = "\n".join(f"  {name:<9} {value}" for name, value in lines.items())
    return f"plan for {root}; nothing is written\n{told}"


def try_some(segments: Sequence[Segment], profile: Profile) -> Trial:
    """Makes at most MOST_TRIED of `segments`, one after the other, in this process."""
    trial, number = Trial(), min(MOST_TRIED, len(segments))
    chosen = [segments[len(segments) * i // number] for i in range(number)]
    for segment in with_progress(chosen, number, "try"):
        started = time.perf_counter()
        try:
            with storage.reading(segment.url) as file:
                encoded = encode_file(profile, file, segment.span, segment.size)
        except SampleError as error:
            trial.problem = f"{segment.key}: {error}"
            continue
        sample = Sample(
            key=segment.key, media=encoded.media, record=sample_record(segment, encoded)
        )
        trial.bytes += len(tar_members(sample))
        trial.wall_seconds += time.perf_counter() - started
        trial.planned_seconds += segment.span.duration_seconds
        trial.stored_seconds += encoded.duration_seconds
        trial.made += 1
    return trial


def copied_bytes(plan: Plan, stored_over_planned: float) -> float:
    """Bytes of all segments at the mean bit rate of the video that each is cut from."""
    rates = {
        video.source.video_id: storage.file_size(video.source.url) / video.facts.duration_seconds
        for video in plan.videos
        if video.facts is not None
    }
    planned = sum(rates[s.video_id] * s.span.duration_seconds for s in plan.segments)
    return planned * stored_over_planned


def _bytes(plan: Plan, profile: Profile, trial: Trial) -> str:
    if not trial.made:
        return f"unknown ({trial.problem})"
    if profile.copies:
        total = copied_bytes(plan, trial.stored_seconds / trial.planned_seconds)
        return f"about {_size(total)}, by the sources' own bit rates"
    planned = sum(segment.span.duration_seconds for segment in plan.segments)
    total = trial.bytes / trial.planned_seconds * planned
    return f"about {_size(total)}, by {trial.made} segments made on trial"


def _time(segments: Sequence[Segment], trial: Trial, workers: int) -> str:
    if not trial.made:
        return f"unknown ({trial.problem})"
    planned = sum(segment.span.duration_seconds for segment in segments)
    seconds = trial.wall_seconds / trial.planned_seconds * planned / workers
    return (
        f"about {_duration(seconds)} with {workers} processes that nothing slows, by {trial.made} "
        "segments made on trial; uploads come on top"
    )


def _size(num_bytes: float) -> str:
    return f"{num_bytes / 1e9:.1f} GB" if num_bytes >= 1e9 else f"{num_bytes / 1e6:.1f} MB"


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
