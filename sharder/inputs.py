"""Whether sources, moments and annotations fit each other; what does not is told or refused."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence, Set

from replai.core.annotations import Annotations, CheckedAnnotations, check
from replai.core.errors import UserError
from replai.core.record import Moment
from replai.core.video_ids import plain_id
from sharder.report import Skipped, console, name_first
from sharder.segments import fits
from sharder.sources import Source

Moments = Mapping[str, Sequence[Moment]]
"""By video id."""


def refuse_strangers(sources: Sequence[Source], moments: Moments, annotations: Annotations) -> None:
    """Raises UserError for ids that match nothing at all: a mistake, not a choice."""
    ids = {source.video_id for source in sources}
    for what, theirs in (("moments", set(moments)), ("annotations", annotations.ids)):
        if theirs and not ids & theirs:
            there, here = _nearest(theirs, ids)
            raise UserError(
                f"no video id of the {what} is among the sources (there {there!r}, here {here!r})"
            )
    if not moments and not annotations.labels:
        raise UserError("neither moments nor annotations were given: nothing to learn from")


def check_before(
    sources: Sequence[Source], moments: Moments, annotations: Annotations
) -> CheckedAnnotations:
    """What fits the published lengths, before any video is opened; findings are told."""
    ids = {source.video_id for source in sources}
    return _told(check(annotations, ids, annotations.durations), moments)


def check_again(
    lengths: Mapping[str, float],
    moments: Moments,
    annotations: Annotations,
    before: CheckedAnnotations,
) -> CheckedAnnotations:
    """What fits the files as they are; told again if that is not what was found `before`.

    Files that are not as long as published are named: a download may have broken off.

    `lengths`: seconds by the id of each source that can be packed.
    """
    other = list(_other_lengths(lengths, annotations.durations))
    name_first(other, f"{len(other)} of the sources are not as long as published:")
    checked = check(annotations, lengths.keys(), lengths)
    return checked if checked.counts == before.counts else _told(checked, moments)


def check_moments(
    lengths: Mapping[str, float], moments: Moments, margin_seconds: float, labelled: Set[str]
) -> None:
    """Counts the moments that cannot be packed, and names the first of each kind; and the videos
    that have none, and are not `labelled`.

    Raises UserError if none can be, and no action either.

    `lengths`: seconds by the id of each source that can be packed.
    """
    lost = list(_lost(lengths, moments, margin_seconds))
    first = dict(reversed(lost))
    total = sum(map(len, moments.values()))
    if lost and len(lost) == total and not labelled:
        kind, one = lost[0]
        raise UserError(f"none of {total} moments can be packed; the first is {kind}: {one}")
    if lost:
        console.print(f"moments: {total - len(lost)} of {total} can be packed")
    for kind, count in Counter(kind for kind, _ in lost).items():
        console.print(f"  {count} {kind}: left out; the first: {first[kind]}")
    bare = sorted(lengths.keys() - moments.keys() - labelled)
    if bare:
        console.print(
            f"{len(bare)} of {len(lengths)} videos have neither moments nor labelled actions; the "
            f"first: {bare[0]}"
        )


def _lost(
    lengths: Mapping[str, float], moments: Moments, margin_seconds: float
) -> Iterator[tuple[str, str]]:
    """(why, which and where) of each moment that cannot be packed."""
    near = {plain_id(video_id): video_id for video_id in lengths}
    for video_id in sorted(moments):
        length, meant = lengths.get(video_id), near.get(plain_id(video_id))
        for moment in moments[video_id]:
            at = f"{video_id} {moment.seconds:.2f} s"
            if length is None:
                hint = f"; did you mean {meant!r}?" if meant else ""
                yield "of videos that are not among the sources", f"{at}{hint}"
            elif moment.seconds >= length:
                yield "past the end of their video", f"{at}; the video lasts {length:.2f} s"
            elif not fits(moment.seconds, length, margin_seconds):
                yield f"within {margin_seconds:g} s of an end of their video", at


def _told(checked: CheckedAnnotations, moments: Moments) -> CheckedAnnotations:
    """Raises UserError if there are no moments, and no action is left."""
    if not moments and not checked.actions:
        first = checked.findings[0]
        raise UserError(
            f"none of {checked.num_labels} labelled actions can be packed; the first is "
            f"{first.kind.partition(':')[0]}: {first}"
        )
    if checked.num_labels:
        console.print("\n".join(checked.lines()))
    return checked


def _other_lengths(
    lengths: Mapping[str, float], published: Mapping[str, float]
) -> Iterator[Skipped]:
    """The sources that are longer or shorter than published, as a broken download is."""
    for video_id in sorted(lengths.keys() & published.keys()):
        here, there = lengths[video_id], published[video_id]
        if abs(here - there) > max(1.0, there / 100):
            yield Skipped(video_id, f"{here:.2f} s, published are {there:.2f} s")


def _nearest(theirs: Set[str], ours: Set[str]) -> tuple[str, str]:
    """(one of theirs, one of ours): a pair that may be meant as one, or the first of both."""
    near = {plain_id(video_id): video_id for video_id in sorted(ours, reverse=True)}
    pairs = ((one, near[plain_id(one)]) for one in sorted(theirs) if plain_id(one) in near)
    return next(pairs, (min(theirs), min(ours)))
