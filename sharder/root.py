"""The files of a dataset root beside its shards: index, header, Energon's folder, the card."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property

import pyarrow as pa

from replai.core import storage
from replai.core.annotations import CheckedAnnotations
from replai.core.errors import UserError
from replai.core.index import (
    HEADER_NAME,
    INDEX_NAME,
    SCHEMA,
    Header,
    dataset_hash,
    encode_table,
    open_index,
)
from replai.core.record import SCHEMA_VERSION
from sharder import listing
from sharder.card import FINDINGS_NAME, Figures, dataset_card
from sharder.labelling import joined_nouns, joined_origins, joined_verbs
from sharder.part import Part
from sharder.report import console
from sharder.timestamps import MomentsOrigin

ENERGON_VERSION = "7.4.0"


@dataclass(frozen=True, kw_only=True)
class Shard:
    """A shard as a wids index lists it."""

    url: str
    """Relative to the root."""
    nsamples: int
    filesize: int
    md5sum: str

    @property
    def name(self) -> str:
        """Such as `train-000007`."""
        return self.url.removeprefix("shards/").removesuffix(".tar")


@dataclass(frozen=True)
class Contents:
    """A finished root: its header, its index (a row a sample) and its shards."""

    header: Header
    table: pa.Table
    shards: tuple[Shard, ...]

    @cached_property
    def keys(self) -> dict[str, str]:
        """Key → video id of each sample."""
        keys, ids = (self.table.column(name).to_pylist() for name in ("key", "video_id"))
        return dict(zip(keys, ids, strict=True))

    @property
    def next_number(self) -> int:
        """The number of the first shard that is appended."""
        return int(self.shards[-1].name.rpartition("-")[2]) + 1


def read_contents(root: str) -> Contents:
    """What the finished dataset at `root` holds. Raises UserError if it cannot be opened."""
    index = open_index(root)
    listed = json.loads(storage.read_bytes(storage.join(root, HEADER_NAME)))["shardlist"]
    try:
        return Contents(index.header, index.table, tuple(Shard(**one) for one in listed))
    except TypeError as error:
        raise UserError(f"{root}/{HEADER_NAME} is damaged ({error}); pack it again") from None


def finish_root(
    root: str,
    before: Contents | None,
    parts: Sequence[Part],
    checked: CheckedAnnotations,
    moments_origin: MomentsOrigin,
    profile: str,
    margin_seconds: float,
    settings: Mapping[str, str],
    jobs: Mapping[str, str],
) -> None:
    """Makes the shards of `parts`, behind those of `before`, a dataset; `shards.json` last.

    Until that is written, a reader sees the dataset of before: old shards stay as they are, and of
    the index only as many rows count as the header tells of.
    """
    shards = [*(before.shards if before else ()), *(_shard(part) for part in parts if part.rows)]
    table = index_table(before, [part for part in parts if part.rows])
    origins = joined_origins(before.header if before else None, checked, moments_origin)
    header = _header(table, before, origins, checked, profile, margin_seconds, settings, jobs)
    storage.write_bytes(storage.join(root, INDEX_NAME), encode_table(table))
    for name, text in energon_files(shards).items():
        storage.write_bytes(storage.join(root, ".nv-meta", name), text.encode())
    findings = _write_findings(root, before, checked)
    figures = Figures(
        videos=len(set(table.column("video_id").to_pylist())),
        stored_hours=_hours(table),
        shards=len(shards),
        bytes=_bytes(shards),
        findings=listing.counts(findings),
    )
    card = dataset_card(header, figures)
    storage.write_bytes(storage.join(root, "README.md"), card.encode())
    fields = json.dumps(wids_fields(shards, header), indent=1, ensure_ascii=False)
    storage.write_bytes(storage.join(root, HEADER_NAME), fields.encode())
    console.print(_summary(table, header, shards, root))
    if findings:
        url = storage.join(root, FINDINGS_NAME)
        console.print(f"{len(findings)} findings in the annotations → {url}")


def _header(
    table: pa.Table,
    before: Contents | None,
    origins: Mapping[str, str],
    checked: CheckedAnnotations,
    profile: str,
    margin_seconds: float,
    settings: Mapping[str, str],
    jobs: Mapping[str, str],
) -> Header:
    theirs = before.header if before else None
    return Header(
        schema_version=SCHEMA_VERSION,
        profile=profile,
        margin_seconds=margin_seconds,
        num_samples=table.num_rows,
        num_moments=sum(table.column("num_moments").to_pylist()),
        num_actions=sum(table.column("num_actions").to_pylist()),
        dataset_hash=dataset_hash(table),
        verbs=joined_verbs(theirs, checked.verbs),
        nouns=joined_nouns(theirs, checked.nouns),
        settings=dict(settings),
        jobs=dict(jobs),
        origins=dict(origins),
    )


def _write_findings(
    root: str, before: Contents | None, checked: CheckedAnnotations
) -> list[listing.Row]:
    """What this and earlier packs have found in the annotations; a file of it, if that is any."""
    url = storage.join(root, FINDINGS_NAME)
    earlier = read_findings(root) if before is not None else []
    rows = listing.joined_rows(earlier, checked)
    if rows:
        storage.write_bytes(url, listing.to_csv(rows).encode())
    elif earlier:
        storage.remove_files([url])  # all that was absent has come
    return rows


def read_findings(root: str) -> list[listing.Row]:
    """What earlier packs have found in the annotations. Raises UserError for a damaged file."""
    url = storage.join(root, FINDINGS_NAME)
    try:
        return listing.from_csv(storage.read_bytes(url).decode()) if storage.exists(url) else []
    except ValueError as error:
        raise UserError(f"{url} is damaged ({error}); move it away") from None


def index_table(before: Contents | None, parts: Sequence[Part]) -> pa.Table:
    """A row a sample, in the order of the shards: those of `before`, then those of `parts`."""
    first = len(before.shards) if before else 0
    rows = [
        {"shard": number, **asdict(row)}
        for number, part in enumerate(parts, first)
        for row in part.rows
    ]
    added = pa.Table.from_pylist(rows, schema=SCHEMA)
    return pa.concat_tables([before.table, added]).combine_chunks() if before else added


def wids_fields(shards: Sequence[Shard], header: Header) -> dict[str, object]:
    """The content of shards.json: a wids index, and our header under `replai`."""
    return {
        "__kind__": "wids-shard-index-v1",
        "wids_version": 1,
        "name": header.dataset_hash[:12],
        "shardlist": [asdict(shard) for shard in shards],
        "replai": header.to_fields(),
    }


def energon_files(shards: Sequence[Shard]) -> dict[str, str]:
    """The files of `.nv-meta/`, so that Energon opens the root without preparing it."""
    counts = {shard.url: shard.nsamples for shard in shards}
    info = json.dumps({"energon_version": ENERGON_VERSION, "shard_counts": counts}, indent=2)
    listed = "".join(f"  - {name}\n" for name in counts)
    return {
        ".info.json": info,
        "split.yaml": f"exclude: []\nsplit_parts:\n  train:\n{listed}  val: []\n  test: []\n",
        "dataset.yaml": "__module__: megatron.energon\n__class__: CrudeWebdataset\n",
    }


def _summary(table: pa.Table, header: Header, shards: Sequence[Shard], root: str) -> str:
    return (
        f"{_hours(table):.2f} h stored, {header.num_moments} moments, "
        f"{header.num_actions} actions, {header.num_samples} samples in {len(shards)} shards, "
        f"{_bytes(shards) / 1e6:.1f} MB → {root}"
    )


def _hours(table: pa.Table) -> float:
    return float(sum(table.column("duration_seconds").to_pylist())) / 3600


def _bytes(shards: Sequence[Shard]) -> int:
    return sum(shard.filesize for shard in shards)


def _shard(part: Part) -> Shard:
    return Shard(url=part.tar_name, nsamples=len(part.rows), filesize=part.size, md5sum=part.md5)
