"""One shard of the plan → its tar, its offsets, and the small file that says it is done."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from replai.core import storage
from replai.core.errors import NotFoundError, SampleError
from replai.core.record import SampleRecord
from replai.core.store_errors import naming_store_errors
from replai.core.timeline import Span
from sharder.encode import Profile
from sharder.encoded import EncodedSegment
from sharder.opened import OpenSources
from sharder.segments import Segment
from sharder.shards import IndexRow, Sample, write_shard

PARTS_NAME = "parts"
SCRATCH_NAME = f"{PARTS_NAME}/.making"


@dataclass(frozen=True, kw_only=True)
class Part:
    """Facts of one finished shard. A shard of which every segment failed has no rows, no file."""

    name: str
    size: int
    md5: str
    rows: tuple[IndexRow, ...]
    skipped: tuple[tuple[str, str], ...]
    """(key, reason) of the segments that could not be made."""

    @property
    def tar_name(self) -> str:
        """Path of the tar below the root."""
        return f"shards/{self.name}.tar"


def make_shard(task: tuple[str, tuple[Segment, ...]], root: str, profile: Profile) -> Part:
    """Makes the shard `task` = (name, segments) below `root`; last, the part file that says so."""
    name, segments = task
    skipped: list[tuple[str, str]] = []
    with _scratch_file(root) as path:
        with naming_store_errors(str(path)), path.open("wb") as file:
            written = write_shard(_samples(segments, profile, skipped), file)
        part = Part(
            name=name, size=written.size, md5=written.md5, rows=written.rows, skipped=tuple(skipped)
        )
        if part.rows:
            storage.put_file(path, storage.join(root, part.tar_name))
            storage.write_bytes(storage.join(root, f"{part.tar_name}.idx"), written.energon_offsets)
    storage.write_bytes(_part_url(root, name), json.dumps(asdict(part)).encode())
    return part


def read_part(root: str, name: str) -> Part | None:
    """The facts of shard `name` if it has been made, and is still there; a part torn by a power
    cut counts as none."""
    url = _part_url(root, name)
    if not storage.exists(url):
        return None
    try:
        part = _restored(json.loads(storage.read_bytes(url)))
    except (ValueError, TypeError, LookupError):
        return None
    return part if not part.rows or _is_there(root, part) else None


def _restored(fields: dict[str, Any]) -> Part:
    return Part(
        name=fields["name"],
        size=fields["size"],
        md5=fields["md5"],
        rows=tuple(IndexRow(**row) for row in fields["rows"]),
        skipped=tuple((key, reason) for key, reason in fields["skipped"]),
    )


def _is_there(root: str, part: Part) -> bool:
    """Whether its tar is below `root`, and not cut off."""
    try:
        return storage.file_size(storage.join(root, part.tar_name)) == part.size
    except NotFoundError:
        return False


def sweep(root: str) -> None:
    """Takes away what a killed run left half-written. On a remote store there is no such thing."""
    if storage.is_local(root):
        folder = storage.local_path(root)
        shutil.rmtree(folder / SCRATCH_NAME, ignore_errors=True)
        for path in folder.rglob(".*.tmp"):
            path.unlink(missing_ok=True)


def _part_url(root: str, name: str) -> str:
    return storage.join(root, PARTS_NAME, f"{name}.json")


@contextmanager
def _scratch_file(root: str) -> Iterator[Path]:
    """A temporary file, on the root's own disk where that is local; gone afterwards."""
    folder = storage.local_path(root) / SCRATCH_NAME if storage.is_local(root) else None
    with naming_store_errors("temporary files (TMPDIR)" if folder is None else root):
        if folder is not None:
            folder.mkdir(exist_ok=True)  # below what `begin` has made: seen from here, or refused
        scratch = tempfile.TemporaryDirectory(dir=folder)
    with scratch as path:
        yield Path(path) / "shard.tar"


def _samples(
    segments: tuple[Segment, ...], profile: Profile, skipped: list[tuple[str, str]]
) -> Iterator[Sample]:
    with OpenSources(kept=profile.copies) as sources:
        for segment in segments:
            try:
                with sources.opened(segment.url) as media:
                    encoded = profile.encode(media, segment.span, segment.size)
            except SampleError as error:
                skipped.append((segment.key, str(error)))
                continue
            record = sample_record(segment, encoded)
            yield Sample(key=segment.key, media=encoded.media, record=record)


def sample_record(segment: Segment, encoded: EncodedSegment) -> SampleRecord:
    """The record of a stored segment: the plan's times, moved to the stored clip's clock."""
    shift, stored = encoded.start_seconds, Span(0.0, encoded.duration_seconds)
    return SampleRecord(
        video_id=segment.video_id,
        start_seconds=encoded.start_seconds,
        duration_seconds=encoded.duration_seconds,
        video=encoded.video,
        audio=encoded.audio,
        moments=tuple(replace(m, seconds=m.seconds - shift) for m in segment.moments),
        actions=tuple(action.moved(-shift).cut(stored) for action in segment.actions),
    )
