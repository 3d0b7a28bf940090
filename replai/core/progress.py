"""How far long work is: a bar on a terminal, else a line now and then."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from replai.core.urls import without_secrets

T = TypeVar("T")


class _Console(Console):
    """Shows no secrets of URLs."""

    def print(self, *objects: Any, **options: Any) -> None:
        told = (without_secrets(one) if isinstance(one, str) else one for one in objects)
        super().print(*told, **options)


# A path is no markup: nothing in what is printed means more than it says.
console = _Console(stderr=True, soft_wrap=True, markup=False, emoji=False, highlight=False)
LINE_EVERY_SECONDS = 30.0


def with_progress(
    items: Iterable[T], total: int, title: str, *, of_each: int = 1, shown: bool = True
) -> Iterator[T]:
    """Passes `items` on, each worth `of_each` of `total`, and tells how long it will still take.

    An item is done when the next one is asked for.
    """
    if not shown:
        yield from items
        return
    columns = (
        TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(),
        TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn(),
    )  # fmt: skip
    started = told = time.monotonic()
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task(title, total=total)
        for number, item in enumerate(items, start=1):
            yield item
            done = min(total, number * of_each)
            progress.update(task, completed=done)
            now = time.monotonic()
            if not console.is_terminal and done < total and now - told > LINE_EVERY_SECONDS:
                told = now
                left = (now - started) / done * (total - done)
                console.print(f"{title}: {done}/{total}, about {left:.0f} s left")
