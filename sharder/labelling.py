"""What the class ids of a root mean, and what its labels and moments were read from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from replai.core.annotations import Annotations, CheckedAnnotations, Classes, with_class_ids
from replai.core.errors import UserError
from replai.core.index import Header
from sharder.report import console
from sharder.timestamps import MomentsOrigin

PROMINENCES = "prominences"
"""The origin that is the unit of prominences."""
_SEPARATOR = "; "


def continued(annotations: Annotations, before: Header) -> Annotations:
    """`annotations` with the root's ids for the names of classes, where they have none of their
    own; names that are new there are told.
    """
    verbs = _behind("verb", annotations.verbs, before.verbs)
    nouns = _behind("noun", annotations.nouns, before.nouns)
    labels = with_class_ids(
        annotations.labels,
        verbs=verbs if verbs.by_name else None,
        nouns=nouns if nouns.by_name else None,
    )
    return replace(annotations, labels=labels, verbs=verbs, nouns=nouns)


def _behind(what: str, ours: Classes, theirs: Mapping[str, str]) -> Classes:
    there = {int(number): name for number, name in theirs.items()}
    joined = ours.behind(there)
    new = {number: name for number, name in joined.names.items() if number not in there}
    if there and new and joined.by_name:
        listed = ", ".join(f"{name} ({number})" for number, name in sorted(new.items()))
        console.print(f"{what} classes that are new in the root: {listed}")
    return joined


def joined_verbs(before: Header | None, verbs: Classes) -> dict[str, str]:
    """Class id (as text) → name of the root's verbs and `verbs`. Raises UserError as below."""
    return _joined("verb", before.verbs if before else {}, verbs, before)


def joined_nouns(before: Header | None, nouns: Classes) -> dict[str, str]:
    """The same of the nouns."""
    return _joined("noun", before.nouns if before else {}, nouns, before)


def joined_origins(
    before: Header | None, read: CheckedAnnotations, moments: MomentsOrigin
) -> dict[str, str]:
    """What labels, class ids and moments come from, each origin once, the root's first."""
    now = {
        "moments": moments.detector or moments.file,
        PROMINENCES: moments.unit,
        "annotations": ", ".join(read.files),
        "verb classes": read.verbs.source if read.verbs.names else "",
        "noun classes": read.nouns.source if read.nouns.names else "",
    }
    theirs = before.origins if before else {}
    told = {what: (*theirs.get(what, "").split(_SEPARATOR), text) for what, text in now.items()}
    joined = {what: _SEPARATOR.join(dict.fromkeys(filter(None, t))) for what, t in told.items()}
    return {what: text for what, text in joined.items() if text}


def _joined(
    what: str, theirs: dict[str, str], ours: Classes, before: Header | None
) -> dict[str, str]:
    """Raises UserError where one class id has two names."""
    for number, name in ours.names.items():
        known = theirs.get(str(number), name)
        if known != name:
            origin = before.origins.get(f"{what} classes", "") if before else ""
            raise UserError(
                f"{what} class {number} is {known!r} in the root ({origin or 'unknown origin'}) "
                f"and {name!r} in the annotations ({ours.source}); give these the root's class "
                f"list, its numbers in the column {what}_class, or names alone"
            )
    both = {**theirs, **{str(number): name for number, name in ours.names.items()}}
    return dict(sorted(both.items(), key=lambda one: (len(one[0]), one[0])))  # as numbers
