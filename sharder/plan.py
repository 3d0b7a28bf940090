"""The plan: sources, moments, annotations → which segment goes into which shard.

It is made before anything is packed and depends on nothing but the inputs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from replai.core.annotations import CheckedAnnotations
from replai.core.errors import SampleError, UserError
from replai.core.record import Moment
from replai.media.probe import MediaFacts
from sharder.engine import Engine
from sharder.report import Skipped, name_first, name_skipped, with_progress
from sharder.segments import Segment, SegmentConfig, cut_video, spread_over_shards
from sharder.sources import Source, facts_of

MOST_HOURS = 100
"""Of a source."""


@dataclass(frozen=True, kw_only=True)
class PackConfig:
    """What a dataset root is made from, beside the sources."""

    split: str = "train"
    """Prefix of the shards' names."""
    segments: SegmentConfig = SegmentConfig()  # noqa: RUF009 (frozen)
    samples_per_shard: int = 500
    seed: int = 0
    """Of the spread of segments over shards."""

    def __post_init__(self) -> None:
        if self.samples_per_shard < 1:
            raise UserError(f"--samples-per-shard is {self.samples_per_shard}; at least 1")
        if not self.split.replace("-", "").replace("_", "").isalnum():
            raise UserError(f"--split is {self.split!r}; letters, digits, - and _")


@dataclass(frozen=True)
class Probed:
    """A source with its facts; `problem` is set where it cannot be packed."""

    source: Source
    facts: MediaFacts | None
    problem: str = ""


@dataclass(frozen=True)
class Plan:
    """Name of each shard → its segments, in their order; and the videos that these are cut from."""

    shards: dict[str, tuple[Segment, ...]]
    videos: tuple[Probed, ...]

    @property
    def segments(self) -> list[Segment]:
        """All segments, in the order of the shards."""
        return [segment for shard in self.shards.values() for segment in shard]


def probe_all(sources: Sequence[Source], engine: Engine) -> list[Probed]:
    """The sources that are videos, by id; the others are counted and named.

    Raises UserError if none is, or one that the user named is not.
    """
    results = with_progress(engine.map(probe_source, sources), len(sources), "probe")
    probed = sorted(results, key=lambda one: one.source.video_id)
    if all(one.facts is None for one in probed):
        first = probed[0]
        raise UserError(
            f"none of {len(probed)} sources is a video ({first.source.url}: {first.problem})"
        )
    name_skipped([Skipped(p.source.url, p.problem) for p in probed if p.problem], "sources")
    _name_short(probed)
    return [one for one in probed if one.facts is not None]


def _name_short(probed: Sequence[Probed]) -> None:
    """Counts the sources whose end is missing, by what they state, and names the first."""
    short = [
        Skipped(
            one.source.url,
            f"{one.facts.missing_seconds:.2f} s behind {one.facts.duration_seconds:.2f} s",
        )
        for one in probed
        if one.facts is not None and one.facts.missing_seconds
    ]
    name_first(short, f"the end of {len(short)} sources is missing, by the length they state:")


def probe_source(source: Source) -> Probed:
    """The facts of one source. A file that is no video is an error if the user named it."""
    try:
        facts = facts_of(source)
        if facts.video is None:
            raise SampleError("no video stream")
    except SampleError as error:
        if source.named:
            raise UserError(f"{source.url} is no video: {error}") from None
        return Probed(source, None, str(error))
    problem = _untimed(facts) or _endless(facts)
    if problem and source.named:
        raise UserError(f"{source.url}: {problem}")
    return Probed(source, None if problem else facts, problem)


def _untimed(facts: MediaFacts) -> str:
    """What is wrong with H.264 and HEVC in a container that cannot time them; empty for all else.

    AVI stores no presentation times, which FFmpeg does not find out for these codecs; in ASF it
    loses a packet at each seek. What comes of both is frames in a wrong order, or broken ones.
    """
    assert facts.video is not None
    if facts.video.codec not in ("h264", "hevc"):
        return ""
    if facts.container != "asf" and not (facts.container == "avi" and facts.reorders):
        return ""
    return (
        f"{facts.video.codec} in {facts.container} has no times that can be relied on; encode it "
        "anew, as MP4 or Matroska"
    )


def _endless(facts: MediaFacts) -> str:
    """What is wrong with a length that no recording has: one damaged time is believed, and would be
    cut into segments by the hundred thousand. Empty for all else."""
    hours = facts.duration_seconds / 3600
    if hours <= MOST_HOURS:
        return ""
    return f"it would be {hours:.0f} h long; of more than {MOST_HOURS} h its times are not believed"


def make_plan(
    videos: Sequence[Probed],
    moments: Mapping[str, Sequence[Moment]],
    checked: CheckedAnnotations,
    config: PackConfig,
    first_shard: int,
    taken_keys: Mapping[str, str],
) -> Plan:
    """The plan for `videos`, its shards numbered from `first_shard` on.

    `taken_keys`: key → video id of the samples that are in the root already. Raises UserError if
    two videos give the same key.
    """
    segments: list[Segment] = []
    for video in videos:
        facts = video.facts
        assert facts is not None and facts.video is not None, "the others are left out before"
        video_id = video.source.video_id
        segments += cut_video(
            video_id,
            video.source.url,
            facts.duration_seconds,
            moments.get(video_id, ()),
            checked.actions.get(video_id, ()),
            config.segments,
            (facts.video.width, facts.video.height),
        )
    _refuse_equal_keys(segments, dict(taken_keys))
    shards = spread_over_shards(segments, config.samples_per_shard, config.seed)
    named = {f"{config.split}-{n:06d}": shard for n, shard in enumerate(shards, first_shard)}
    return Plan(named, tuple(videos))


def _refuse_equal_keys(segments: Sequence[Segment], seen: dict[str, str]) -> None:
    for segment in segments:
        other = seen.setdefault(segment.key, segment.video_id)
        if other != segment.video_id:
            raise UserError(
                f"the video ids {other!r} and {segment.video_id!r} give the same key; rename one"
            )
