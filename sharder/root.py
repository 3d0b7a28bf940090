"""The files of a dataset root beside its shards: index, header, Energon's folder, the card."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict

import pyarrow as pa

from replai.core import storage
from replai.core.index import HEADER_NAME, INDEX_NAME, SCHEMA, Header, dataset_hash, encode_table
from replai.core.record import SCHEMA_VERSION
from sharder.annotations import CheckedAnnotations
from sharder.part import Part
from sharder.report import console

ENERGON_VERSION = "7.4.0"
FINDINGS_NAME = "annotation-findings.csv"


def finish_root(
    root: str,
    parts: Sequence[Part],
    checked: CheckedAnnotations,
    profile: str,
    margin_seconds: float,
    command: str,
) -> None:
    """Writes everything that makes the shards of `parts` a dataset; `shards.json` last."""
    kept = [part for part in parts if part.rows]
    table = index_table(kept)
    header = _header(table, checked, profile, margin_seconds)
    storage.write_bytes(storage.join(root, INDEX_NAME), encode_table(table))
    for name, text in energon_files(kept).items():
        storage.write_bytes(storage.join(root, ".nv-meta", name), text.encode())
    if checked.findings:
        findings = checked.findings_csv().encode()
        storage.write_bytes(storage.join(root, FINDINGS_NAME), findings)
    card = dataset_card(table, header, kept, checked, command)
    storage.write_bytes(storage.join(root, "README.md"), card.encode())
    fields = json.dumps(wids_fields(kept, header), indent=1, ensure_ascii=False)
    storage.write_bytes(storage.join(root, HEADER_NAME), fields.encode())
    console.print(_summary(table, header, kept, root))
    if checked.findings:
        url = storage.join(root, FINDINGS_NAME)
        console.print(f"{len(checked.findings)} findings in the annotations → {url}")


def index_table(parts: Sequence[Part]) -> pa.Table:
    """A row a sample, in the order of the shards."""
    rows = [
        {"shard": number, **asdict(row)} for number, part in enumerate(parts) for row in part.rows
    ]
    return pa.Table.from_pylist(rows, schema=SCHEMA)


def wids_fields(parts: Sequence[Part], header: Header) -> dict[str, object]:
    """The content of shards.json: a wids index, and our header under `replai`."""
    return {
        "__kind__": "wids-shard-index-v1",
        "wids_version": 1,
        "name": header.dataset_hash[:12],
        "shardlist": [
            {"url": p.tar_name, "nsamples": len(p.rows), "filesize": p.size, "md5sum": p.md5}
            for p in parts
        ],
        "replai": header.to_fields(),
    }


def energon_files(parts: Sequence[Part]) -> dict[str, str]:
    """The files of `.nv-meta/`, so that Energon opens the root without preparing it."""
    counts = {part.tar_name: len(part.rows) for part in parts}
    info = json.dumps({"energon_version": ENERGON_VERSION, "shard_counts": counts}, indent=2)
    listed = "".join(f"  - {name}\n" for name in counts)
    return {
        ".info.json": info,
        "split.yaml": f"exclude: []\nsplit_parts:\n  train:\n{listed}  val: []\n  test: []\n",
        "dataset.yaml": "__module__: megatron.energon\n__class__: CrudeWebdataset\n",
    }


def _header(
    table: pa.Table, checked: CheckedAnnotations, profile: str, margin_seconds: float
) -> Header:
    return Header(
        schema_version=SCHEMA_VERSION,
        profile=profile,
        margin_seconds=margin_seconds,
        num_samples=table.num_rows,
        num_moments=sum(table.column("num_moments").to_pylist()),
        num_actions=sum(table.column("num_actions").to_pylist()),
        dataset_hash=dataset_hash(table),
        verbs={str(one): name for one, name in sorted(checked.verbs.names.items())},
        nouns={str(one): name for one, name in sorted(checked.nouns.names.items())},
    )


def dataset_card(
    table: pa.Table,
    header: Header,
    parts: Sequence[Part],
    checked: CheckedAnnotations,
    command: str,
) -> str:
    """README.md of the root."""
    hours = _hours(table)
    a_minute = f"{header.num_moments / max(hours * 60, 1e-9):.1f} a stored minute"
    videos = len(set(table.column("video_id").to_pylist()))
    return f"""# Dataset

| | |
|---|---|
| videos | {videos} |
| stored hours (margins included) | {hours:.3f} |
| samples, shards | {header.num_samples}, {len(parts)} |
| bytes | {_bytes(parts)} |
| moments of interaction | {header.num_moments} ({a_minute}) |
| labelled actions | {header.num_actions} |
{_annotation_rows(checked)}| storage profile | {header.profile} |
| margin around moments | {header.margin_seconds} s |

{_findings_section(checked)}Made by `{command}`.
"""


def _annotation_rows(checked: CheckedAnnotations) -> str:
    read = f"| annotations | {', '.join(checked.files)} |\n" if checked.files else ""
    return read + "".join(
        f"| {what} classes | {len(classes.names)} ({classes.source}) |\n"
        for what, classes in (("verb", checked.verbs), ("noun", checked.nouns))
        if classes.names
    )


def _findings_section(checked: CheckedAnnotations) -> str:
    """How many labelled actions had something wrong with them, and what became of these."""
    if not checked.findings:
        return ""
    rows = "".join(f"| {kind} | {count} |\n" for kind, count in checked.counts.items())
    return (
        f"Of {checked.num_labels} labelled actions, by name in `{FINDINGS_NAME}`:\n\n"
        f"| actions | |\n|---|---|\n{rows}\n"
    )


def _summary(table: pa.Table, header: Header, parts: Sequence[Part], root: str) -> str:
    return (
        f"{_hours(table):.2f} h stored, {header.num_moments} moments, "
        f"{header.num_actions} actions, {header.num_samples} samples in {len(parts)} shards, "
        f"{_bytes(parts) / 1e6:.1f} MB → {root}"
    )


def _hours(table: pa.Table) -> float:
    return float(sum(table.column("duration_seconds").to_pylist())) / 3600


def _bytes(parts: Sequence[Part]) -> int:
    return sum(part.size for part in parts)
