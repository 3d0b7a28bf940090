"""The files of `.nv-meta/` against shards.json."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import yaml

from sharder.verify.faults import Fault, Kind

INFO, SPLIT, DATASET = (f".nv-meta/{name}" for name in (".info.json", "split.yaml", "dataset.yaml"))
ENERGON_FILES = (INFO, SPLIT, DATASET)

Differences = Iterator[tuple[str, str]]
"""(expected, found) each."""


def energon_faults(file: str, data: bytes, counts: Mapping[str, int]) -> list[Fault]:
    """What is wrong with one of ENERGON_FILES, given the number of samples of each shard.

    A split may be another than ours (validation, test), as long as it names each shard once; a
    dataset may be read by another class.
    """
    try:
        fields = json.loads(data) if file == INFO else yaml.safe_load(data)
        differences = list(_CHECKS[file](fields, counts))
    except (
        ValueError,
        LookupError,
        TypeError,
        AttributeError,
        RecursionError,
        yaml.YAMLError,
    ) as e:
        reason = " ".join(f"{type(e).__name__} {e}".split())
        differences = [("a file of Energon's form", reason)]
    return [
        Fault(kind=Kind.ENERGON, file=file, expected=expected, found=found)
        for expected, found in differences
    ]


def _info(fields: Any, counts: Mapping[str, int]) -> Differences:
    found = dict(fields["shard_counts"])
    for name, count in counts.items():
        if found.get(name) != count:
            yield f"{count} samples of {name}", repr(found.get(name))
    for name in found.keys() - counts.keys():
        yield "shards of shards.json only", repr(name)


def _split(fields: Any, counts: Mapping[str, int]) -> Differences:
    found = Counter(name for names in fields["split_parts"].values() for name in names)
    for name in counts:
        if found[name] != 1:
            yield f"{name} in one of the splits", f"it in {found[name]}"
    for name in found.keys() - counts.keys():
        yield "shards of shards.json only", repr(name)


def _dataset(fields: Any, _counts: Mapping[str, int]) -> Differences:
    for name in ("__module__", "__class__"):
        if not isinstance(fields[name], str):
            yield f"a name as {name}", repr(fields[name])


_CHECKS: dict[str, Callable[[Any, Mapping[str, int]], Differences]] = {
    INFO: _info,
    SPLIT: _split,
    DATASET: _dataset,
}
