"""A probe's pictures as PNG bytes: all figures with their intervals, and class by class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from replai.report.plots import PLAIN_TEXT, RANDOM, TRAINED, png

Fields = Mapping[str, Any]
"""An outcome as it stands in probe.json."""
Result = Mapping[str, Fields]
"""Name of a row (`trained`, `random (svm)`) → its outcome."""

MOST_CLASSES = 50
SUFFIXES = {"top1": "top-1", "top5": "top-5", "mean_class": "mean of classes"}


def figure_names(result: Result) -> list[str]:
    """`verb_top1` … of the figures that any row has, in their order."""
    names = {name: None for row in result.values() for name in row if _is_figure(name)}
    return list(names)


def title_of(name: str) -> str:
    """`verb\\ntop-1` of `verb_top1`."""
    task, _, suffix = name.partition("_")
    return f"{task}\n{SUFFIXES.get(suffix, suffix)}"


def _is_figure(name: str) -> bool:
    return name.partition("_")[2] in SUFFIXES


def probe_bars(result: Result) -> bytes:
    """Each figure of each row, side by side, with whiskers over its interval; a panel a task."""
    tasks = list(dict.fromkeys(name.partition("_")[0] for name in figure_names(result)))
    shown = [_of_task(result, task) for task in tasks]
    sizes = [1 + len(rows) * len(figure_names(rows)) for rows in shown]
    figure = Figure(figsize=(max(6.5, 0.42 * sum(sizes)), 3.4))
    panels = figure.subplots(1, len(tasks), sharey=True, squeeze=False, width_ratios=sizes)[0]
    for axes, rows in zip(panels, shown, strict=True):
        _bars(axes, rows, list(result))
    panels[0].set_ylabel("accuracy, %")
    panels[0].set_ylim(0, 112)
    panels[0].set_yticks(range(0, 101, 20))
    most = max(panels, key=lambda axes: len(axes.containers))
    figure.legend(
        *most.get_legend_handles_labels(), frameon=False, loc="lower center",
        bbox_to_anchor=(0.5, 0.98), ncols=len(result),
    )  # fmt: skip
    figure.tight_layout()
    return png(figure)


def _of_task(result: Result, task: str) -> Result:
    """The rows that were probed on `task`, with its figures alone."""
    rows = {
        row: {name: value for name, value in fields.items() if name.startswith(f"{task}_")}
        for row, fields in result.items()
    }
    return {
        row: {**of, "intervals": result[row].get("intervals", {})} for row, of in rows.items() if of
    }


def _bars(axes: Axes, rows: Result, all_rows: Sequence[str]) -> None:
    names = figure_names(rows)
    width = 0.84 / len(rows)
    for number, (row, fields) in enumerate(rows.items()):
        places = np.arange(len(names)) + (number - (len(rows) - 1) / 2) * width
        values = [fields.get(name, np.nan) for name in names]
        shade = 1 / (1 + all_rows.index(row) // 2)  # the further classifiers are paler
        axes.bar(places, values, width * 0.92, label=row, color=_colour(row), alpha=shade)
        for place, name, value in zip(places, names, values, strict=True):
            _mark(axes, float(place), value, fields["intervals"].get(name))
    titles = [title_of(name).replace(" of classes", "\nof classes") for name in names]
    axes.set_xticks(range(len(names)), titles, fontsize=9)
    axes.tick_params(axis="x", length=0)
    axes.spines[["top", "right"]].set_visible(False)


def _mark(axes: Axes, place: float, value: float, interval: Sequence[float] | None) -> None:
    """A whisker over the interval, and the figure above it."""
    if not np.isfinite(value):
        return
    low, high = interval or (value, value)
    if interval:
        axes.plot([place, place], [low, high], color="#222222", linewidth=1.2)
    axes.text(place, max(value, high) + 1.5, f"{value:.1f}", ha="center", fontsize=8)


@PLAIN_TEXT
def class_dots(result: Result) -> bytes:
    """Top-1 accuracy on each class: a panel a task, a line a class, the most frequent on top."""
    first, *_ = result.values()
    tasks = [task for task, classes in first.get("classes", {}).items() if classes]
    shown = {task: first["classes"][task][:MOST_CLASSES] for task in tasks}
    longest = max(map(len, shown.values()), default=1)
    figure = Figure(figsize=(5.2 * max(1, len(tasks)), 1.0 + 0.22 * longest))
    panels = figure.subplots(1, max(1, len(tasks)), squeeze=False, sharey=False)[0]
    for axes, task in zip(panels, tasks, strict=False):
        _class_panel(axes, task, shown[task], len(first["classes"][task]), result)
        axes.set_ylim(longest - 0.4, -0.6)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(
        handles, labels, frameon=False, loc="lower right", bbox_to_anchor=(1.0, 0.99), ncols=2
    )
    figure.tight_layout()
    return png(figure)


def _class_panel(
    axes: Axes, task: str, classes: Sequence[Fields], num_classes: int, result: Result
) -> None:
    ids = [one["class_id"] for one in classes]
    places = np.arange(len(ids))
    rows = {name: _by_class(fields, task, ids) for name, fields in list(result.items())[:2]}
    ends = list(rows.values())
    axes.vlines(range(0, 101, 20), -0.6, len(ids) - 0.4, color="#eeeeee", linewidth=1)
    axes.hlines(places, np.nanmin(ends, axis=0), np.nanmax(ends, axis=0), color="#cccccc")
    for name, values in reversed(rows.items()):
        size = 8 if name.startswith("random") else 5.5  # both are seen where they are equal
        axes.plot(values, places, "o", color=_colour(name), markersize=size, label=name)
    axes.set_yticks(places, [f"{one['name']}  ({one['num_test']})" for one in classes], fontsize=8)
    axes.set_xlim(-3, 103)
    axes.set_xticks(range(0, 101, 20))
    axes.xaxis.tick_top()
    told = f"the {len(ids)} most frequent of {num_classes}" if num_classes > len(ids) else "all"
    title = f"{task}: top-1 accuracy in %, {told} classes (test items)"
    axes.set_title(title, fontsize=10, loc="left", pad=10)
    axes.tick_params(length=0, labelsize=8)
    axes.spines[:].set_visible(False)


def _by_class(fields: Fields, task: str, ids: Sequence[int]) -> list[float]:
    found = {one["class_id"]: one["top1"] for one in fields.get("classes", {}).get(task, ())}
    return [found.get(one, np.nan) for one in ids]


def _colour(row: str) -> str:
    return RANDOM if row.startswith("random") else TRAINED
