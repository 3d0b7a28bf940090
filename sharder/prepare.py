"""What is still to be done at a root: who may work there, which videos are new, the plan."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence, Set
from dataclasses import asdict, dataclass, replace

from replai.core.annotations import Annotations, CheckedAnnotations
from replai.core.errors import UserError
from replai.core.record import Moment
from sharder.encode import Profile
from sharder.engine import Engine
from sharder.inputs import check_again, check_before, check_moments, refuse_strangers
from sharder.job import Job, Standing, read_standing, refuse_others
from sharder.labelling import continued, joined_nouns, joined_verbs
from sharder.plan import PackConfig, Plan, make_plan, probe_all, probe_source
from sharder.report import Skipped, console, name_skipped
from sharder.root import Contents, read_findings
from sharder.sources import Source, available


@dataclass(frozen=True)
class Ready:
    """A job with its plan, and how the root stood when that was made."""

    job: Job
    settings: dict[str, str]
    """What all samples of the root share."""
    standing: Standing
    checked: CheckedAnnotations
    plan: Plan


@dataclass(frozen=True)
class Inputs:
    """What is packed, and what is known of it."""

    sources: Sequence[Source]
    moments: Mapping[str, Sequence[Moment]]
    annotations: Annotations


def prepare(
    sources: Sequence[Source],
    moments: dict[str, list[Moment]],
    annotations: Annotations,
    root: str,
    profile: Profile,
    config: PackConfig,
    engine: Engine,
    command: str,
    *,
    append: bool,
) -> Ready | None:
    """What is still to be done; None if nothing is. Writes nothing. Raises UserError as `pack`."""
    refuse_strangers(sources, moments, annotations)
    sizes, settings = available(sources), _settings(profile, config)
    job = Job(_digest(sizes, moments, annotations, settings, config, append), command)
    standing = read_standing(root)
    if standing.has(job):
        console.print(f"{root} is already finished, by the same job; nothing to do")
        return None
    refuse_others(root, standing, job, settings, append=append)
    inputs = Inputs(list(sizes), moments, annotations)
    if standing.contents is not None:
        read_findings(root)  # which the new ones join: refused now, not once all is packed
        inputs = _new_ones(inputs, standing.contents, root, engine)
        if not inputs.sources:
            console.print("nothing to append")
            return None
    checked, plan = _plan(inputs, standing.contents, config, engine)
    return Ready(job, settings, standing, checked, plan)


def _plan(
    inputs: Inputs, before: Contents | None, config: PackConfig, engine: Engine
) -> tuple[CheckedAnnotations, Plan]:
    """Labels are held against published lengths before a video is opened, then against its own."""
    noticed = check_before(inputs.sources, inputs.moments, inputs.annotations)
    videos = probe_all(inputs.sources, engine)
    lengths = {v.source.video_id: v.facts.duration_seconds for v in videos if v.facts is not None}
    checked = check_again(lengths, inputs.moments, inputs.annotations, noticed)
    labelled = {video_id for video_id, found in checked.actions.items() if found}
    check_moments(lengths, inputs.moments, config.segments.margin_seconds, labelled)
    first_shard, taken = (before.next_number, before.keys) if before else (0, {})
    return checked, make_plan(videos, inputs.moments, checked, config, first_shard, taken)


def _new_ones(inputs: Inputs, before: Contents, root: str, engine: Engine) -> Inputs:
    """The sources that are not in the root, their moments, and the labels of no video there.

    Raises UserError if class ids mean something else there, and if nothing is known of any.
    """
    annotations = continued(inputs.annotations, before.header)
    joined_verbs(before.header, annotations.verbs)
    joined_nouns(before.header, annotations.nouns)
    known = set(before.keys.values())
    new = [source for source in inputs.sources if source.video_id not in known]
    if len(new) < len(inputs.sources):
        there = len(inputs.sources) - len(new)
        console.print(f"skipped {there} of {len(inputs.sources)} sources: already in {root}")
    ids = {source.video_id for source in new}
    moments = {one: found for one, found in inputs.moments.items() if one not in known}
    if new and not ids & (moments.keys() | annotations.ids):
        new = _refuse_videos(new, engine)
    return Inputs(new, moments, _without(annotations, known, ids))


def _refuse_videos(sources: Sequence[Source], engine: Engine) -> list[Source]:
    """No sources, if none is a video: they are named. Raises UserError if one is."""
    probed = list(engine.map(probe_source, sources))
    videos = [one.source.url for one in probed if one.facts is not None]
    if videos:
        raise UserError(
            f"none of {len(videos)} new videos has moments or annotations ({min(videos)}, …)"
        )
    name_skipped([Skipped(one.source.url, one.problem) for one in probed], "sources")
    return []


def _without(annotations: Annotations, known: Set[str], new: Set[str]) -> Annotations:
    """`annotations` without the labels of videos, or clips, that are in the root."""
    labels = ((label, {label.video_id, label.clip_id} - {""}) for label in annotations.labels)
    kept = tuple(label for label, ids in labels if ids & new or not ids & known)
    return replace(annotations, labels=kept)


def _settings(profile: Profile, config: PackConfig) -> dict[str, str]:
    """What all samples of a root share."""
    return {
        "profile": profile.name,
        "segment_seconds": str(config.segments.core_seconds),
        "margin_seconds": str(config.segments.margin_seconds),
        "split": config.split,
    }


def _digest(
    sizes: Mapping[Source, int],
    moments: dict[str, list[Moment]],
    annotations: Annotations,
    settings: dict[str, str],
    config: PackConfig,
    append: bool,
) -> str:
    """sha256 over everything that the job's bytes depend on."""
    description = {
        "sources": [(s.video_id, s.url, size) for s, size in sizes.items()],
        "moments": {video_id: [asdict(m) for m in found] for video_id, found in moments.items()},
        "annotations": repr(annotations),
        "settings": settings,
        "config": asdict(config),
        "append": append,
    }
    return hashlib.sha256(json.dumps(description, sort_keys=True).encode()).hexdigest()
