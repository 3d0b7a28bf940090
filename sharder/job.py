"""Which pack is at work on a root, and which have finished it: what a new one may do there.

ROOT/shards.json       what is finished, and the jobs that it is made of
ROOT/parts/job.json    the job that is under way; gone, with `parts/`, once it is finished
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import PurePosixPath

from replai.core import storage
from replai.core.errors import UserError
from replai.core.index import HEADER_NAME
from sharder.lock import LOCK_NAME
from sharder.part import PARTS_NAME, sweep
from sharder.root import Contents, read_contents

JOB_NAME = f"{PARTS_NAME}/job.json"


@dataclass(frozen=True)
class Job:
    """One pack. `digest`: sha256 over everything that its bytes depend on."""

    digest: str
    command: str


@dataclass(frozen=True)
class Standing:
    """How a root stands: what is finished, and what is under way."""

    contents: Contents | None
    under_way: Job | None

    def has(self, job: Job) -> bool:
        """Whether `job` is finished."""
        return self.contents is not None and job.digest in self.contents.header.jobs


def read_standing(root: str) -> Standing:
    """How `root` stands; nothing there is a standing too. Raises UserError for damaged files."""
    url = storage.join(root, JOB_NAME)
    finished = storage.exists(storage.join(root, HEADER_NAME))
    try:
        under_way = Job(**json.loads(storage.read_bytes(url))) if storage.exists(url) else None
    except (ValueError, TypeError):
        remove = storage.join(root, PARTS_NAME) if finished else root
        raise UserError(f"{url} is damaged; remove {remove} and pack again") from None
    return Standing(read_contents(root) if finished else None, under_way)


def refuse_others(
    root: str, standing: Standing, job: Job, settings: dict[str, str], *, append: bool
) -> None:
    """Raises UserError, saying what is in the way, if `job` may not be done on `root`."""
    theirs, contents = standing.under_way, standing.contents
    if theirs is not None and theirs.digest != job.digest and not standing.has(theirs):
        remove = storage.join(root, PARTS_NAME) if contents else root
        if theirs.command == job.command:
            raise UserError(
                f"{root} was begun by this very command, but with other sources, moments or "
                "labels, or by another version of the sharder; go on with those, or remove "
                f"{remove} to give it up, or give another --out"
            )
        raise UserError(
            f"{root} is being made by another job ({theirs.command}); run that again, to its end, "
            f"or remove {remove} to give it up, or give another --out"
        )
    if append and contents is None and theirs is None:
        raise UserError(f"there is no finished dataset at {root}; pack it without --append")
    if contents is not None and not contents.header.jobs:
        raise UserError(
            f"{root} was packed by an older sharder, which cannot be added to; give another --out"
        )
    if append and contents is not None:
        _refuse_other_settings(root, contents.header.settings, settings)
    if not append and contents is not None:
        made_by = "; ".join(contents.header.jobs.values())
        raise UserError(
            f"{root} is another job's dataset (made by: {made_by}); give another --out, or "
            "--append to add to it"
        )
    if contents is None and theirs is None and _is_foreign(root, standing):
        raise UserError(f"{root} exists and is no dataset of ours; give another --out")


def begin(root: str, job: Job, standing: Standing) -> None:
    """Says that `job` is under way; where nothing was, no shards but the finished ones are left."""
    if standing.under_way is None:
        storage.remove_files(_given_up(root, standing))
    storage.write_bytes(storage.join(root, JOB_NAME), json.dumps(asdict(job), indent=1).encode())


def end(root: str) -> None:
    """Says that nothing is under way: the root is finished, or given up."""
    sweep(root)
    folder, own = storage.join(root, PARTS_NAME), storage.join(root, JOB_NAME)
    if storage.is_folder(folder):
        kept = (JOB_NAME, LOCK_NAME)
        storage.remove_files([url for url in storage.list_files(folder) if not url.endswith(kept)])
        storage.remove_files([own])  # last: what is left of a killed end belongs to a job


def _refuse_other_settings(root: str, theirs: dict[str, str], ours: dict[str, str]) -> None:
    differing = [
        f"{name} {theirs.get(name)} there, {value} here"
        for name, value in ours.items()
        if theirs.get(name) != value
    ]
    if differing:
        raise UserError(f"{root} was packed with other settings: {'; '.join(differing)}")


def _given_up(root: str, standing: Standing) -> list[str]:
    """Shards, and their offsets, of a job that somebody gave up by removing `parts/`."""
    listed = {shard.name for shard in standing.contents.shards} if standing.contents else set()
    folder = storage.join(root, "shards")
    found = storage.list_files(folder) if storage.is_folder(folder) else []
    return [
        url
        for url in found
        if url.endswith((".tar", ".tar.idx"))
        and PurePosixPath(url).name.partition(".")[0] not in listed
    ]


def _is_foreign(root: str, standing: Standing) -> bool:
    """Whether `root` holds something, and no pack has begun on it since `standing` was read."""
    holds_something = storage.is_folder(root) and any(
        not _is_beginning(name) for name in storage.list_names(root)
    )
    return holds_something and read_standing(root) == standing


def _is_beginning(name: str) -> bool:
    """Whether `name`, below a root, is of what a pack begins with; as it is being written, too."""
    folder, _, file = name.rpartition("/")
    if file.startswith(".") and file.endswith(".tmp"):
        file = file[1:].rpartition(".")[0].rpartition(".")[0]  # .NAME.DIGITS.tmp
    return f"{folder}/{file}" in (LOCK_NAME, JOB_NAME)
