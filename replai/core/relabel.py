"""Labels of an annotation file in place of those in a dataset's samples, without packing it again.

sample's core        |──────────────|──────────────|──────────────|
action, its middle        [──•──]        [────•────────]
is taken from        └── first ─────┘└── second ───┘
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from replai.core.annotations import Annotations, CheckedAnnotations, Classes, check
from replai.core.errors import UserError
from replai.core.index import DatasetIndex
from replai.core.record import Action
from replai.core.timeline import Span

NOT_STORED = "not stored"


@dataclass(frozen=True)
class Relabelled:
    """A dataset under other labels, and a line on what became of them."""

    index: DatasetIndex
    said: str


@dataclass(frozen=True)
class _Stored:
    """The samples of one video, by their start. Seconds, float64 [n], on the video's clock."""

    rows: NDArray[np.int64]
    starts: NDArray[np.float64]
    stops: NDArray[np.float64]
    margin_seconds: float

    def holding(self, middle_seconds: float) -> int:
        """Which of them has the instant in its core, as packing has it."""
        cores = self.starts + self.margin_seconds
        return max(0, int(np.searchsorted(cores, middle_seconds, side="right")) - 1)


def relabelled(index: DatasetIndex, annotations: Annotations) -> Relabelled:
    """`index` with the actions and classes of `annotations` instead of its own.

    Each action is taken from the sample whose core holds its middle, cut to what that sample
    stores, as `sharder pack` would have it. Raises UserError if no action is left.
    """
    videos = {name: stored for name, stored in _videos(index)}
    lengths = {name: float(stored.stops[-1]) for name, stored in videos.items()}
    checked = check(annotations, videos.keys(), lengths)
    actions: dict[int, tuple[Action, ...]] = {}
    for name, found in checked.actions.items():
        for row, action in _placed(found, videos[name]):
            actions[row] = (*actions.get(row, ()), action)
    num_placed = sum(map(len, actions.values()))
    said = _said(index, checked, num_placed)
    if not actions:
        there = sorted(annotations.ids)[:1] or ["none"]
        raise UserError(f"{said}; video ids: there {there[0]!r}, here {min(videos)!r}")
    return Relabelled(_with(index, actions, num_placed, checked), said)


def _videos(index: DatasetIndex) -> Iterator[tuple[str, _Stored]]:
    names, starts = index.column("video_id"), index.column("start_seconds")
    stops = starts + index.column("duration_seconds")
    order = np.lexsort((starts, names.astype(str)))
    ends = np.flatnonzero(names[order][1:] != names[order][:-1]) + 1
    for rows in np.split(order, ends):
        margin = index.header.margin_seconds
        yield str(names[rows[0]]), _Stored(rows, starts[rows], stops[rows], margin)


def _placed(actions: Sequence[Action], stored: _Stored) -> Iterator[tuple[int, Action]]:
    """(row, action on that sample's clock) of those of one video's `actions` that are stored."""
    for action in actions:
        place = stored.holding((action.start_seconds + action.stop_seconds) / 2)
        start, stop = float(stored.starts[place]), float(stored.stops[place])
        if action.start_seconds < stop and action.stop_seconds > start:
            yield int(stored.rows[place]), action.moved(-start).cut(Span(0.0, stop - start))


def _with(
    index: DatasetIndex,
    actions: Mapping[int, tuple[Action, ...]],
    num_placed: int,
    checked: CheckedAnnotations,
) -> DatasetIndex:
    counts = np.zeros(index.header.num_samples, np.int32)
    for row, found in actions.items():
        counts[row] = len(found)
    place = index.table.schema.get_field_index("num_actions")
    header = replace(
        index.header,
        num_actions=num_placed,
        verbs=_by_id(checked.verbs),
        nouns=_by_id(checked.nouns),
    )
    table = index.table.set_column(place, index.table.schema.field(place), pa.array(counts))
    return replace(index, header=header, table=table, actions=actions)


def _by_id(classes: Classes) -> dict[str, str]:
    return {str(number): name for number, name in sorted(classes.names.items())}


def _said(index: DatasetIndex, checked: CheckedAnnotations, num_placed: int) -> str:
    """As in `labels of ROOT: 12 of 15 actions of FILE; absent 2, not stored 1`."""
    counted = Counter({kind.name.replace("_", " "): n for kind, n in checked.counts.items()})
    counted[NOT_STORED] = checked.num_actions - num_placed
    found = ", ".join(f"{what} {count}" for what, count in counted.items() if count)
    files = ", ".join(checked.files)
    told = f"labels of {index.root}: {num_placed} of {checked.num_labels} actions of {files}"
    return f"{told}; {found}" if found else told
