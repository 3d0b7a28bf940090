"""What a job tells its user: a progress bar with an estimate, and names of what was left out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

T = TypeVar("T")

# A path is no markup: nothing in what is printed means more than it says.
console = Console(stderr=True, soft_wrap=True, markup=False, emoji=False, highlight=False)
NAMED_AT_MOST = 10


@dataclass(frozen=True)
class Skipped:
    """Something left out, or strange, and why."""

    name: str
    reason: str


def with_progress(results: Iterable[T], total: int, title: str) -> Iterator[T]:
    """Passes `results` on; on a terminal, beside a bar with an estimate of the time left."""
    columns = (
        TextColumn(title), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
        TextColumn("left"), TimeRemainingColumn(),
    )  # fmt: skip
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task(title, total=total)
        for result in results:
            progress.advance(task)
            yield result


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
