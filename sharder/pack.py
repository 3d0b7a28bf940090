"""`sharder pack`: sources, moments, annotations → a dataset root, or a new part of one.

The plan is made first and depends on nothing but the inputs; a shard is the unit of work, made
or skipped whole. A rerun of the same command continues where the last one stopped.

    ROOT/parts/lock                one pack at a time
    ROOT/parts/job.json            what is being made; another job is refused
    ROOT/parts/train-000000.json   a finished shard's facts
    ROOT/annotation-findings.csv   labelled actions that something is wrong with, if there are any
    ROOT/shards.json               written last; then `parts/` goes
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from replai.core import storage
from replai.core.annotations import Annotations
from replai.core.errors import UserError
from replai.core.record import Moment
from sharder.encode import Profile
from sharder.engine import Engine
from sharder.estimate import estimate
from sharder.job import begin, end, read_standing
from sharder.lock import only_one
from sharder.part import Part, make_shard, read_part, sweep
from sharder.plan import PackConfig, Plan
from sharder.prepare import prepare
from sharder.report import Skipped, console, name_skipped, with_progress
from sharder.root import finish_root
from sharder.sources import Source
from sharder.timestamps import MomentsOrigin


def pack(
    sources: Sequence[Source],
    moments: dict[str, list[Moment]],
    annotations: Annotations,
    root: str,
    profile: Profile,
    config: PackConfig,
    engine: Engine,
    command: str,
    *,
    moments_origin: MomentsOrigin = MomentsOrigin(),  # noqa: B008 (frozen)
    append: bool = False,
    dry_run: bool = False,
) -> None:
    """Makes the dataset at `root`, or continues it; with `append` adds to the one that is there.

    Labelled actions that something is wrong with are counted and listed. Raises UserError, leaving
    what stands at `root` as it is, if that is another job's, is being worked on by another process
    or (to be appended to) was made with other settings, if a source named by the user is no video,
    and if no moment or action belongs to any source. `dry_run` only tells what would be done.
    """
    if not dry_run:
        _tidy(root)
    ready = prepare(
        sources, moments, annotations, root, profile, config, engine, command, append=append
    )
    if ready is None:
        return
    if dry_run:
        console.print(estimate(root, ready.plan, profile, config, engine.workers))
        return
    with only_one(root) as check_lock:
        if read_standing(root) != ready.standing:
            raise UserError(f"another pack has changed {root} meanwhile; run this one again")
        sweep(root)
        begin(root, ready.job, ready.standing)
        try:
            parts = _make_parts(ready.plan, root, profile, engine, check_lock)
        except BaseException:
            sweep(root)  # a worker told to stop just as it makes its scratch folder leaves it
            raise
        _refuse_nothing(parts, root)
        name_skipped([Skipped(*one) for part in parts for one in part.skipped], "segments")
        check_lock()
        before = ready.standing.contents
        jobs = {**(before.header.jobs if before else {}), ready.job.digest: ready.job.command}
        margin = config.segments.margin_seconds
        finish_root(
            root,
            before,
            parts,
            ready.checked,
            moments_origin,
            profile.name,
            margin,
            ready.settings,
            jobs,
        )
        end(root)


def _tidy(root: str) -> None:
    """Takes away what a pack that was killed at its very end has left at `root`."""
    standing = read_standing(root)
    if standing.under_way is not None and standing.has(standing.under_way):
        with only_one(root):
            end(root)


def _make_parts(
    plan: Plan, root: str, profile: Profile, engine: Engine, check_lock: Callable[[], None]
) -> list[Part]:
    done = {name: part for name in plan.shards if (part := read_part(root, name)) is not None}
    if done:
        console.print(f"{len(done)} of {len(plan.shards)} shards are already made")
    todo = [(name, segments) for name, segments in plan.shards.items() if name not in done]
    work = partial(make_shard, root=storage.absolute(root), profile=profile)
    made = with_progress(engine.map(work, todo), len(todo), "pack") if todo else ()
    parts = dict(done)
    for part in made:
        check_lock()
        _refuse_elsewhere(part, root)
        parts[part.name] = part
    return [parts[name] for name in plan.shards]


def _refuse_elsewhere(part: Part, root: str) -> None:
    """Raises UserError if a shard that was made is not there: another machine's `root` is other."""
    if part.rows and not storage.exists(storage.join(root, part.tar_name)):
        raise UserError(
            f"{part.tar_name} was made, but is not below {root}; give a URL, or a folder that all "
            "nodes share"
        )


def _refuse_nothing(parts: Sequence[Part], root: str) -> None:
    """Gives the job up if no segment of any shard could be made."""
    if any(part.rows for part in parts):
        return
    end(root)
    key, reason = parts[0].skipped[0]
    raise UserError(f"no segment of any source could be made ({key}: {reason})")
