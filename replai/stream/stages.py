"""How a stage treats each sample: good ones go on, a failed one becomes a `Failed` in its place."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Protocol, TypeVar

from replai.core.errors import SampleError
from replai.stream.fetch import Failed
from replai.stream.figures import Meter
from replai.stream.plan import Place


class AtPlace(Protocol):
    """Anything that knows which place of the order it is for, and which row of the index it is."""

    @property
    def place(self) -> Place:
        """The place of the order."""
        ...

    @property
    def row(self) -> int:
        """The row of the index."""
        ...


A = TypeVar("A", bound=AtPlace)
B = TypeVar("B")


def each(
    items: Iterator[A | Failed], function: Callable[[A], B], meter: Meter
) -> Iterator[B | Failed]:
    """`function` of each item; where it raises SampleError, a `Failed`. Bugs pass through."""
    for item in items:
        done = item if isinstance(item, Failed) else attempt(item, function, meter)
        del item  # its bytes may be a part of all that a request brought
        yield done


def attempt(item: A, function: Callable[[A], B], meter: Meter) -> B | Failed:
    """`function` of one item, its time counted as decoding."""
    started = time.perf_counter()
    try:
        return function(item)
    except SampleError as error:
        return Failed(item.place, item.row, str(error))
    finally:
        meter.count(decode_seconds=time.perf_counter() - started)
