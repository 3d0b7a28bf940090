"""Whether class ids mean the same in a probe's training and test split."""

from __future__ import annotations

from collections.abc import Mapping

from replai.core.errors import UserError
from replai.core.index import DatasetIndex

MOST_CLASSES = 100_000
NUMBERED = "numbered in order of the names"
"""What a root's `origins` say of classes whose ids its names alone decide."""


def refuse_large_id(what: str, class_id: int) -> None:
    """Raises UserError for an id that no numbering of classes reaches, as keys of a database do: a
    classifier has weights for each id up to the highest."""
    if class_id >= MOST_CLASSES:
        raise UserError(
            f"{class_id} is the id of a {what} class; a probe takes ids below {MOST_CLASSES}: "
            "number the classes from 0 on"
        )


def refuse_other_classes(train: DatasetIndex, test: DatasetIndex) -> None:
    """Raises UserError for a name or a class that means another one in the other split, as where
    classes were numbered by name in two files that have not the same names, and for large ids.
    """
    classes = (("verb", train.header.verbs, test.header.verbs),
               ("noun", train.header.nouns, test.header.nouns))  # fmt: skip
    for what, ours, theirs in classes:
        refuse_large_id(what, max([0, *map(int, ours), *map(int, theirs)]))
        origins = [one.header.origins.get(f"{what} classes", "") for one in (train, test)]
        by_name = any(NUMBERED in origin for origin in origins)
        if found := _contradiction(_named(ours), _named(theirs), by_name):
            one, here, there = found
            raise UserError(
                f"{one} of the {what}s is {here} in {train.root} and {there} in {test.root}; pack "
                "both with the same class ids"
            )


def _contradiction(
    ours: Mapping[str, str], theirs: Mapping[str, str], by_name: bool
) -> tuple[str, str, str] | None:
    """A name or a class of both, and what it is in each, where that is not the same.

    One name may have several ids in a file. One id may have several names where ids come from
    files, but not `by_name`.
    """
    here, there = _ids(ours), _ids(theirs)
    for name in sorted(here.keys() & there.keys()):
        if not here[name] & there[name]:
            return repr(name), f"class {min(here[name])}", f"class {min(there[name])}"
    for class_id in sorted(ours.keys() & theirs.keys()) if by_name else ():
        if ours[class_id] != theirs[class_id]:
            return f"class {class_id}", repr(ours[class_id]), repr(theirs[class_id])
    return None


def _named(classes: Mapping[str, str]) -> dict[str, str]:
    return {class_id: name for class_id, name in classes.items() if name}


def _ids(classes: Mapping[str, str]) -> dict[str, set[str]]:
    """Name → the ids that it has."""
    ids: dict[str, set[str]] = {}
    for class_id, name in classes.items():
        ids.setdefault(name, set()).add(class_id)
    return ids
