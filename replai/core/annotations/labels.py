"""A labelled action as its file has it, and the classes that it may be of."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from itertools import count

from replai.core.record import Action
from replai.core.urls import without_query


@dataclass(frozen=True, kw_only=True)
class Label:
    """One labelled action. Its times are on the clock of the video `video_id`.

    Of Ego4D's videos there are also clips, files of their own: `clip_id` is one that starts at
    `clip_start_seconds` of the video and holds the action.
    """

    where: str
    """File and line, or what the file calls it."""
    video_id: str
    action: Action
    clip_id: str = ""
    clip_start_seconds: float = 0.0
    rejected: str = ""
    """Why its annotators rejected it, if they did."""
    line: int = field(default=0, repr=False)
    """Where `where` has a name instead of it; no part of what a job is known by (its repr)."""

    @property
    def place(self) -> str:
        """`where`, and the line."""
        return f"{self.where} (line {self.line})" if self.line else self.where


@dataclass(frozen=True)
class Classes:
    """The verb or noun classes."""

    names: dict[int, str] = field(default_factory=dict)
    """Class id → name."""
    source: str = ""
    """Where the ids come from."""
    closed: bool = False
    """From a published list: an id that is not in it is a mistake."""
    by_name: bool = field(default=False, repr=False)
    """The file has names only; any ids would do."""

    @staticmethod
    def occurring(classes: Iterable[tuple[int, str]], source: str) -> Classes:
        """The classes of (id, name) pairs, without a list of them: the first name counts."""
        names: dict[int, str] = {}
        for class_id, name in classes:
            if class_id >= 0:
                names.setdefault(class_id, name)
        return Classes(names, source)

    @staticmethod
    def numbered(names: Iterable[str], source: str) -> Classes:
        """Names numbered in their order, where the file has no ids."""
        found = sorted({name for name in names if name})
        told = f"numbered in order of the names in {source}"
        return Classes(dict(enumerate(found)), told, by_name=True)

    def behind(self, others: Mapping[int, str]) -> Classes:
        """The same names with the ids that they have among `others`, new ones behind those.

        Classes that have ids of their own keep them.
        """
        if not self.by_name or not others:
            return self
        ids = {name: one for one, name in sorted(others.items(), reverse=True)}
        new = sorted(set(self.names.values()) - ids.keys())
        ids |= dict(zip(new, count(max(others) + 1), strict=False))
        return Classes(
            {ids[name]: name for name in self.names.values()},
            f"{self.source}, behind those that were there" if new else "",
            by_name=True,
        )


@dataclass(frozen=True, kw_only=True)
class Annotations:
    """All that an annotation file and its companions say."""

    labels: tuple[Label, ...] = ()
    verbs: Classes = field(default_factory=Classes)
    nouns: Classes = field(default_factory=Classes)
    durations: dict[str, float] = field(default_factory=dict)
    """Published length in seconds by video (or clip) id, where there is such a list."""
    files: tuple[str, ...] = ()
    """What was read."""

    @property
    def ids(self) -> set[str]:
        """Ids of all videos and clips that are named."""
        return {one for label in self.labels for one in (label.video_id, label.clip_id) if one}


def with_class_ids(
    labels: Iterable[Label], *, verbs: Classes | None = None, nouns: Classes | None = None
) -> tuple[Label, ...]:
    """`labels` with the ids that the classes have for their names; -1 for a name they lack."""
    verb_ids, noun_ids = _by_name(verbs), _by_name(nouns)
    return tuple(_with_class_ids(label, verb_ids, noun_ids) for label in labels)


def _by_name(classes: Classes | None) -> dict[str, int] | None:
    return None if classes is None else {name: one for one, name in classes.names.items()}


def _with_class_ids(
    label: Label, verbs: dict[str, int] | None, nouns: dict[str, int] | None
) -> Label:
    action = label.action
    if verbs is not None:
        action = replace(action, verb_class=verbs.get(action.verb, -1))
    if nouns is not None:
        action = replace(action, noun_class=nouns.get(action.noun, -1))
    return replace(label, action=action)


def file_name(url: str) -> str:
    """The last part of `url`: what a label's `where` begins with, the same in every folder. Without
    the query of a web address, which may hold a signature."""
    return posixpath.basename(without_query(url))
