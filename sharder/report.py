"""What a job tells its user: how far it is, and names of what was left out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from replai.core.progress import console, with_progress

__all__ = ["Skipped", "console", "name_first", "name_skipped", "with_progress"]

NAMED_AT_MOST = 10


@dataclass(frozen=True)
class Skipped:
    """Something left out, or strange, and why."""

    name: str
    reason: str


def name_skipped(skipped: Sequence[Skipped], what: str) -> None:
    """Counts what was left out and names the first ones, with their reasons."""
    name_first(skipped, f"skipped {len(skipped)} {what}:")


def name_first(found: Sequence[Skipped], heading: str) -> None:
    """Names the first of what was `found`, with their reasons, below `heading`."""
    if not found:
        return
    console.print(heading)
    for one in found[:NAMED_AT_MOST]:
        console.print(f"  {one.name}: {one.reason}")
    if len(found) > NAMED_AT_MOST:
        console.print(f"  … and {len(found) - NAMED_AT_MOST} more")
