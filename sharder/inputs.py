"""Whether sources, moments and annotations fit each other; what does not is told or refused."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set

from replai.core.annotations import Annotations, CheckedAnnotations, check
from replai.core.errors import UserError
from replai.core.record import Moment
from replai.core.video_ids import plain_id
from sharder.report import Skipped, console, name_first
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
