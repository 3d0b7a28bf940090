"""What is wrong with labelled actions: counted and told."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum

from replai.core.annotations.labels import Classes, Label
from replai.core.record import Action


class Kind(StrEnum):
    """What can be wrong with an action, and what becomes of it."""

    rejected = "rejected by their annotators: left out"
    empty = "empty (no stop after their start): left out"
    absent = "of videos that are not among the sources: left out"
    outside = "outside their video: left out"
    cut = "reaching past an end of their video: cut there"
    unknown_class = "of an unknown class: packed without its id"
    capitals = "of a class that an earlier one's name differs from by capitals alone: packed"
    overlapping = "overlapping an earlier one: packed"


@dataclass(frozen=True)
class Finding:
    """One action that something is wrong with. Its times are as in its file."""

    kind: Kind
    label: Label
    detail: str = ""

    def __str__(self) -> str:
        action = self.label.action
        said = (
            f"{self.label.place}: {self.label.video_id} {action.start_seconds:.2f}-"
            f"{action.stop_seconds:.2f} s, {f'{action.verb} {action.noun}'.strip()}"
        )
        return f"{said}; {self.detail}" if self.detail else said


@dataclass(frozen=True, kw_only=True)
class CheckedAnnotations:
    """The actions to pack by the id of their source, the classes, and what was found wrong."""

    actions: dict[str, list[Action]] = field(default_factory=dict)
    verbs: Classes = field(default_factory=Classes)
    nouns: Classes = field(default_factory=Classes)
    findings: tuple[Finding, ...] = ()
    labels: tuple[Label, ...] = ()
    """All that were looked at."""
    files: tuple[str, ...] = ()
    """What was read."""

    @property
    def num_labels(self) -> int:
        """How many labels were looked at."""
        return len(self.labels)

    @property
    def counts(self) -> dict[Kind, int]:
        """How many findings of each kind there are."""
        counted = Counter(finding.kind for finding in self.findings)
        return {kind: counted[kind] for kind in Kind if counted[kind]}

    @property
    def num_actions(self) -> int:
        """How many actions are to be packed."""
        return sum(map(len, self.actions.values()))

    def lines(self) -> Iterator[str]:
        """What to tell the user: how many are packed; a line a kind, with its first finding."""
        yield f"annotations: {self.num_actions} of {self.num_labels} actions fit the sources"
        yield f"  read from {', '.join(self.files)}"
        for kind, count in self.counts.items():
            first = next(finding for finding in self.findings if finding.kind is kind)
            yield f"  {count} {kind}; the first: {first}"
