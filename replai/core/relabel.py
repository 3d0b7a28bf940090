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
    """The samples of one video, by the start of their core. Seconds, float64 [n], on its clock."""

    rows: NDArray[np.int64]
    cores: NDArray[np.float64]
    starts: NDArray[np.float64]
    stops: NDArray[np.float64]

    def holding(self, middle_seconds: float) -> int | None:
        """Which of them stores the instant, in its core if any does; None if none does.

        What is stored may begin a GOP early (the copy profile), and a neighbour may be missing.
        """
        there = np.flatnonzero((self.starts <= middle_seconds) & (middle_seconds < self.stops))
        if not len(there):
            return None
        begun = int(np.searchsorted(self.cores[there], middle_seconds, side="right"))
        return int(there[max(0, begun - 1)])


def relabelled(index: DatasetIndex, annotations: Annotations) -> Relabelled:
    """`index` with the actions and classes of `annotations` instead of its own.

    Each action is taken from the sample whose core holds its middle, cut to what that sample
    stores, as `sharder pack` would have it; of a core that is not stored, from a neighbour that
    stores its middle. Raises UserError if no action is left, and for keys that do not say where
    cores start.
    """
    videos = {name: stored for name, stored in _videos(index)}
    lengths = {name: float(stored.stops.max()) for name, stored in videos.items()}
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
    cores = np.array([_core_start(index.root, str(key)) for key in index.column("key")])
    order = np.lexsort((cores, names.astype(str)))
    ends = np.flatnonzero(names[order][1:] != names[order][:-1]) + 1
    for rows in np.split(order, ends):
        yield str(names[rows[0]]), _Stored(rows, cores[rows], starts[rows], stops[rows])


def _core_start(root: str, key: str) -> float:
    """Where the core of the sample `key` starts, in seconds: its key ends in the milliseconds."""
    try:
        return int(key.rpartition("_")[2]) / 1000
    except ValueError:
        raise UserError(
            f"the key {key!r} in {root} does not end in _MILLISECONDS, the start of its core; "
            "pack it again to give it other labels"
        ) from None


def _placed(actions: Sequence[Action], stored: _Stored) -> Iterator[tuple[int, Action]]:
    """(row, action on that sample's clock) of those of one video's `actions` that are stored."""
    for action in actions:
        place = stored.holding((action.start_seconds + action.stop_seconds) / 2)
        if place is not None:
            start, stop = float(stored.starts[place]), float(stored.stops[place])
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
