"""`sharder pack`: sources, moments, annotations → a dataset root.

The plan is made first and depends on nothing but the inputs; a shard is the unit of work, made
or skipped whole. A rerun of the same command continues where the last one stopped.

    ROOT/job.json                  what this root is being made from; another job is refused
    ROOT/parts/train-000000.json   a finished shard's facts; gone once the root is finished
    ROOT/annotation-findings.csv   labelled actions that something is wrong with, if there are any
    ROOT/shards.json               written last
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial

from replai.core import storage
from replai.core.errors import SampleError, UserError
from replai.core.index import HEADER_NAME
from replai.core.record import Moment
from replai.media.probe import MediaFacts
from sharder.annotations import Annotations, CheckedAnnotations
from sharder.encode import Profile
from sharder.engine import run_local
from sharder.inputs import check_again, check_before, refuse_strangers
from sharder.part import Part, make_shard, read_part, remove_parts, sweep
from sharder.report import Skipped, console, name_skipped, with_progress
from sharder.root import finish_root
from sharder.segments import Segment, SegmentConfig, cut_video, spread_over_shards
from sharder.sources import Source, facts_of

JOB_NAME = "job.json"


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


def pack(
    sources: Sequence[Source],
    moments: dict[str, list[Moment]],
    annotations: Annotations,
    root: str,
    profile: Profile,
    config: PackConfig,
    workers: int,
    command: str,
) -> None:
    """Makes the dataset at `root`, or continues it.

    Labelled actions that something is wrong with are counted and listed. Raises UserError,
    leaving what stands at `root` as it is, if that is another job's, if a source named by the
    user is no video, and if no moment or action belongs to any source.
    """
    refuse_strangers(sources, moments, annotations)
    job = _job_hash(sources, moments, annotations, profile, config)
    if _claim(root, job, command):
        console.print(f"{root} is already finished, by the same job; nothing to do")
        return
    noticed = check_before(sources, moments, annotations)
    probed = _probe_all(sources, workers)
    lengths = {p.source.video_id: p.facts.duration_seconds for p in probed if p.facts is not None}
    checked = check_again(lengths, moments, annotations, noticed)
    plan = _plan(probed, moments, checked, config)
    sweep(root)
    storage.write_bytes(storage.join(root, JOB_NAME), _job_file(job, command))
    try:
        parts = _make_parts(plan, root, profile, config, workers)
    except BaseException:
        sweep(root)  # a worker that is told to stop just as it makes its scratch folder leaves it
        raise
    _refuse_nothing(parts, root)
    name_skipped([Skipped(*one) for part in parts for one in part.skipped], "segments")
    finish_root(root, parts, checked, profile.name, config.segments.margin_seconds, command)
    remove_parts(root, [part.name for part in parts])


def probe_source(source: Source) -> Probed:
    """The facts of one source. A file that is no video is an error if the user named it."""
    try:
        facts = facts_of(source)
        if facts.video is None:
            raise SampleError("no video stream")
        return Probed(source, facts)
    except SampleError as error:
        if source.named:
            raise UserError(f"{source.url} is no video: {error}") from None
        return Probed(source, None, str(error))


def _probe_all(sources: Sequence[Source], workers: int) -> list[Probed]:
    results = with_progress(run_local(probe_source, sources, workers), len(sources), "probe")
    probed = sorted(results, key=lambda one: one.source.video_id)
    if all(one.facts is None for one in probed):
        first = probed[0]
        raise UserError(
            f"none of {len(probed)} sources is a video ({first.source.url}: {first.problem})"
        )
    name_skipped([Skipped(p.source.url, p.problem) for p in probed if p.problem], "sources")
    return probed


def _plan(
    probed: Sequence[Probed],
    moments: dict[str, list[Moment]],
    checked: CheckedAnnotations,
    config: PackConfig,
) -> list[tuple[Segment, ...]]:
    segments: list[Segment] = []
    for one in probed:
        if one.facts is not None:
            video_id = one.source.video_id
            segments += cut_video(
                video_id,
                one.source.url,
                one.facts.duration_seconds,
                moments.get(video_id, ()),
                checked.actions.get(video_id, ()),
                config.segments,
            )
    _refuse_equal_keys(segments)
    return spread_over_shards(segments, config.samples_per_shard, config.seed)


def _refuse_equal_keys(segments: Sequence[Segment]) -> None:
    seen: dict[str, str] = {}
    for segment in segments:
        other = seen.setdefault(segment.key, segment.video_id)
        if other != segment.video_id:
            raise UserError(
                f"the video ids {other!r} and {segment.video_id!r} give the same key; rename one"
            )


def _make_parts(
    plan: Sequence[tuple[Segment, ...]],
    root: str,
    profile: Profile,
    config: PackConfig,
    workers: int,
) -> list[Part]:
    names = [f"{config.split}-{number:06d}" for number in range(len(plan))]
    done = {name: part for name in names if (part := read_part(root, name)) is not None}
    if done:
        console.print(f"{len(done)} of {len(plan)} shards are already made")
    todo = [
        (name, segments) for name, segments in zip(names, plan, strict=True) if name not in done
    ]
    work = partial(make_shard, root=root, profile=profile)
    made = with_progress(run_local(work, todo, workers), len(todo), "pack") if todo else ()
    parts = {**done, **{part.name: part for part in made}}
    return [parts[name] for name in names]


def _refuse_nothing(parts: Sequence[Part], root: str) -> None:
    """Gives the root up if no segment of any shard could be made."""
    if any(part.rows for part in parts):
        return
    remove_parts(root, [part.name for part in parts])
    storage.remove_files([storage.join(root, JOB_NAME)])
    if storage.is_local(root):
        storage.local_path(root).rmdir()
    key, reason = parts[0].skipped[0]
    raise UserError(f"no segment of any source could be made ({key}: {reason})")


def _claim(root: str, job: str, command: str) -> bool:
    """Whether `root` is finished by this very job; refuses a root that is anything else's."""
    url = storage.join(root, JOB_NAME)
    if not storage.exists(url):
        if storage.is_folder(root) and storage.list_files(root):
            raise UserError(f"{root} exists and is no dataset of ours; give another --out")
        return False
    theirs = json.loads(storage.read_bytes(url))
    if theirs["job"] != job:
        raise UserError(
            f"{root} is another job's dataset (made by: {theirs['command']}); give another --out"
        )
    return storage.exists(storage.join(root, HEADER_NAME))


def _job_file(job: str, command: str) -> bytes:
    return json.dumps({"job": job, "command": command}, indent=1).encode()


def _job_hash(
    sources: Sequence[Source],
    moments: dict[str, list[Moment]],
    annotations: Annotations,
    profile: Profile,
    config: PackConfig,
) -> str:
    """sha256 over everything the root's bytes depend on."""
    description = {
        "sources": [(s.video_id, s.url, storage.file_size(s.url)) for s in sources],
        "moments": {video_id: [asdict(m) for m in found] for video_id, found in moments.items()},
        "annotations": repr(annotations),
        "profile": profile.name,
        "config": asdict(config),
    }
    return hashlib.sha256(json.dumps(description, sort_keys=True).encode()).hexdigest()
