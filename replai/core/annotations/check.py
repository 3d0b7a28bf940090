"""Annotations, sources, lengths → the actions to pack, and what was found wrong: a pure function.

A mistake in one action stops nothing and vanishes nowhere: it is counted and listed.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import replace

from replai.core.annotations.findings import CheckedAnnotations, Finding, Kind
from replai.core.annotations.labels import Annotations, Classes, Label
from replai.core.annotations.spelling import capitals
from replai.core.record import Action
from replai.core.timeline import Span
from replai.core.video_ids import plain_id

Placed = tuple[Action, Label]
"""An action on its source's clock, and the label that it comes from."""

END_TOLERANCE_SECONDS = 0.1
"""An action may reach past its video's end by so much: published times are rounded."""


def check(
    annotations: Annotations, source_ids: Set[str], durations: Mapping[str, float]
) -> CheckedAnnotations:
    """The actions of `annotations` on the clocks of the sources, and all that is wrong with them.

    `durations`: length in seconds by source id, as far as it is known. The actions of a source
    are in order of their start.
    """
    near = {plain_id(source_id): source_id for source_id in source_ids}
    findings: list[Finding] = []
    placed: dict[str, list[Placed]] = {}
    packed: list[Label] = []
    for label in annotations.labels:
        source_id = _source_of(label, source_ids)
        video = Span(0.0, max(0.0, durations.get(source_id, math.inf)))
        action = label.action.moved(-label.clip_start_seconds if source_id == label.clip_id else 0)
        if finding := _left_out(label, action, video, source_id, near):
            findings.append(finding)
            continue
        findings += _marks(label, action, video, annotations)
        fitted = _with_known_classes(action.cut(video), annotations)
        placed.setdefault(source_id, []).append((fitted, label))
        packed.append(label)
    findings += _capitals(packed, annotations)
    for found in placed.values():
        found.sort(key=lambda one: (one[0].start_seconds, one[0].stop_seconds))
        findings += _overlaps(found)
    return CheckedAnnotations(
        actions={source_id: [action for action, _ in found] for source_id, found in placed.items()},
        verbs=annotations.verbs,
        nouns=annotations.nouns,
        findings=tuple(findings),
        labels=annotations.labels,
        files=annotations.files,
    )


def _source_of(label: Label, source_ids: Set[str]) -> str:
    """Id of the source that holds the action: the video, or else the clip; empty if neither is."""
    ids = (one for one in (label.video_id, label.clip_id) if one in source_ids)
    return next(ids, "")


def _left_out(
    label: Label, action: Action, video: Span, source_id: str, near: Mapping[str, str]
) -> Finding | None:
    """Why the action cannot be packed, if it cannot. `action` is on the clock of `video`."""
    if label.rejected:
        return Finding(Kind.rejected, label, label.rejected)
    if not action.start_seconds < action.stop_seconds:
        return Finding(Kind.empty, label)
    if not source_id:
        meant = near.get(plain_id(label.video_id))
        return Finding(Kind.absent, label, f"did you mean {meant!r}?" if meant else "")
    if action.stop_seconds <= video.start_seconds or action.start_seconds >= video.stop_seconds:
        return Finding(Kind.outside, label, _length(video))
    return None


def _marks(
    label: Label, action: Action, video: Span, annotations: Annotations
) -> Iterator[Finding]:
    """What is to be said of an action that is packed."""
    before = video.start_seconds - action.start_seconds
    behind = action.stop_seconds - video.stop_seconds
    if max(before, behind) > END_TOLERANCE_SECONDS:
        yield Finding(Kind.cut, label, _length(video))
    unknown = [
        f"{what} {named!r} (class {class_id}) is not in {classes.source}"
        for what, named, class_id, classes in (
            ("verb", action.verb, action.verb_class, annotations.verbs),
            ("noun", action.noun, action.noun_class, annotations.nouns),
        )
        if classes.closed and class_id not in classes.names
    ]
    if unknown:
        yield Finding(Kind.unknown_class, label, ", ".join(unknown))


def _with_known_classes(action: Action, annotations: Annotations) -> Action:
    def known(class_id: int, classes: Classes) -> int:
        return -1 if classes.closed and class_id not in classes.names else class_id

    return replace(
        action,
        verb_class=known(action.verb_class, annotations.verbs),
        noun_class=known(action.noun_class, annotations.nouns),
    )


def _capitals(labels: Sequence[Label], annotations: Annotations) -> Iterator[Finding]:
    """A finding for each action whose name, which alone makes its class, differs from an earlier
    one by capitals."""
    verbs = capitals(one.action.verb for one in labels) if annotations.verbs.by_name else {}
    nouns = capitals(one.action.noun for one in labels) if annotations.nouns.by_name else {}
    for label in labels:
        said = [
            f"{what} {name!r}, earlier {earlier[name]!r}"
            for what, name, earlier in (
                ("verb", label.action.verb, verbs),
                ("noun", label.action.noun, nouns),
            )
            if name in earlier
        ]
        if said:
            yield Finding(Kind.capitals, label, ", ".join(said))


def _overlaps(placed: Sequence[Placed]) -> Iterator[Finding]:
    """A finding for each action that begins before an earlier one has ended."""
    last: Placed | None = None
    for action, label in placed:
        if last and action.start_seconds < last[0].stop_seconds:
            yield Finding(Kind.overlapping, label, f"with {last[1].place}")
        if not last or action.stop_seconds > last[0].stop_seconds:
            last = action, label


def _length(video: Span) -> str:
    if math.isinf(video.stop_seconds):  # its length is not known yet
        return "it begins before its video"
    return f"the video lasts {video.stop_seconds:.2f} s"
