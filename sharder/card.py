"""The card of a dataset root, README.md: for people, and at its head for Hugging Face `datasets`.

Without the head `datasets` infers the fields from the first five samples, and fails at a later one
if none of these has an action, say.
"""

from __future__ import annotations

import json
import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, is_dataclass

from replai.core.annotations.findings import Kind
from replai.core.index import Header
from replai.core.record import SampleRecord

FINDINGS_NAME = "annotation-findings.csv"
DTYPES = {int: "int64", float: "float64", str: "string", bool: "bool"}


@dataclass(frozen=True, kw_only=True)
class Figures:
    """What the card tells beside the header."""

    videos: int
    stored_hours: float
    shards: int
    bytes: int
    findings: Mapping[Kind, int]
    """How many labelled actions something is wrong with, by what that is."""


def dataset_card(header: Header, figures: Figures) -> str:
    """The text of README.md."""
    commands = "\n".join(f"- `{command}`" for command in header.jobs.values())
    a_minute = header.num_moments / max(figures.stored_hours * 60, 1e-9)
    return f"""{card_head(header.settings.get("split", "train"))}
# Dataset

| | |
|---|---|
| videos | {figures.videos} |
| stored hours (margins included) | {figures.stored_hours:.3f} |
| samples, shards | {header.num_samples}, {figures.shards} |
| bytes | {figures.bytes} |
| moments of interaction | {header.num_moments} ({a_minute:.1f} a stored minute) |
| labelled actions | {header.num_actions} |
{_origin_rows(header)}| storage profile | {header.profile} |
| margin around moments | {header.margin_seconds} s |

{_findings_section(figures.findings)}Made by

{commands}
"""


def _origin_rows(header: Header) -> str:
    numbers = {"verb classes": len(header.verbs), "noun classes": len(header.nouns)}
    return "".join(
        f"| {what} | {f'{numbers[what]} ({origin})' if what in numbers else origin} |\n"
        for what, origin in header.origins.items()
    )


def _findings_section(findings: Mapping[Kind, int]) -> str:
    """How many labelled actions had something wrong with them, and what became of these."""
    if not findings:
        return ""
    rows = "".join(f"| {kind} | {count} |\n" for kind, count in findings.items())
    return f"Labelled actions, by name in `{FINDINGS_NAME}`:\n\n| | |\n|---|---|\n{rows}\n"


def card_head(split: str) -> str:
    """YAML: where the shards of `split` are and what fields a sample has."""
    head = {
        "configs": [
            {
                "config_name": "default",
                "data_files": [{"split": split.replace("-", "_"), "path": f"shards/{split}-*.tar"}],
            }
        ],
        "dataset_info": {"features": features()},
    }
    lines = (f"{name}: {json.dumps(value)}" for name, value in head.items())  # JSON is YAML
    return "\n".join(("---", *lines, "---", ""))


def features() -> list[Mapping[str, object]]:
    """The parts of a sample, as `datasets` describes fields."""
    record = [{"name": "schema_version", "dtype": "int64"}, *_fields(SampleRecord)]
    return [
        {"name": "mp4", "dtype": "video"},
        {"name": "json", "struct": record},
        {"name": "__key__", "dtype": "string"},
        {"name": "__url__", "dtype": "string"},
    ]


def _fields(record: type) -> list[Mapping[str, object]]:
    return [
        {"name": name, **_kind(annotation)}
        for name, annotation in typing.get_type_hints(record).items()
    ]


def _kind(annotation: typing.Any) -> Mapping[str, object]:
    """`float | None` is a float, `tuple[Moment, ...]` a list of structs."""
    arguments: Sequence[typing.Any] = typing.get_args(annotation)
    if typing.get_origin(annotation) in (types.UnionType, typing.Union):
        (known,) = (one for one in arguments if one is not types.NoneType)
        return _kind(known)
    if typing.get_origin(annotation) is tuple:
        return {"list": _fields(arguments[0])}
    if isinstance(annotation, type) and is_dataclass(annotation):
        return {"struct": _fields(annotation)}
    return {"dtype": DTYPES[annotation]}
