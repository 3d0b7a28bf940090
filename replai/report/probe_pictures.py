"""A probe's pictures as PNG bytes: all figures with their intervals, and class by class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from replai.report.plots import RANDOM, TRAINED, png

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
    """Each figure of each row, side by side, with whiskers over its interval."""
    names = figure_names(result)
    figure = Figure(figsize=(max(6.0, 0.55 * len(names) * len(result) + 1.5), 3.4))
    axes = figure.subplots()
    width = 0.84 / len(result)
    for number, (row, fields) in enumerate(result.items()):
        places = np.arange(len(names)) + (number - (len(result) - 1) / 2) * width
        values = [fields.get(name, np.nan) for name in names]
        shade = 1 / (1 + number // 2)  # the further classifiers are paler
        axes.bar(places, values, width * 0.92, label=row, color=_colour(row), alpha=shade)
        for place, name, value in zip(places, names, values, strict=True):
            _mark(axes, float(place), value, (fields.get("intervals") or {}).get(name))
    axes.set_xticks(range(len(names)), [title_of(name) for name in names], fontsize=9)
    axes.set_ylabel("accuracy, %")
    axes.set_ylim(0, 112)
    axes.set_yticks(range(0, 101, 20))
    axes.tick_params(axis="x", length=0)
    axes.legend(frameon=False, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=len(result))
    axes.spines[["top", "right"]].set_visible(False)
    return png(figure)


def _mark(axes: Axes, place: float, value: float, interval: Sequence[float] | None) -> None:
    """A whisker over the interval, and the figure above it."""
    if not np.isfinite(value):
        return
    low, high = interval or (value, value)
    if interval:
        axes.plot([place, place], [low, high], color="#222222", linewidth=1.2)
    axes.text(place, max(value, high) + 1.5, f"{value:.1f}", ha="center", fontsize=8)


def class_dots(result: Result) -> bytes:
    """Top-1 accuracy on each class: a panel a task, a line a class, the most frequent on top."""
    first, *_ = result.values()
    tasks = [task for task, classes in first.get("classes", {}).items() if classes]
    shown = {task: first["classes"][task][:MOST_CLASSES] for task in tasks}
    longest = max(map(len, shown.values()), default=1)
    figure = Figure(figsize=(5.6 * max(1, len(tasks)), 1.3 + 0.21 * longest))
    panels = figure.subplots(1, max(1, len(tasks)), squeeze=False)[0]
    for axes, task in zip(panels, tasks, strict=False):
        _class_panel(axes, task, shown[task], len(first["classes"][task]), result)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(
        handles, labels, frameon=False, loc="lower right", bbox_to_anchor=(1.0, 0.98), ncols=2
    )
    figure.tight_layout()
    return png(figure)


def _class_panel(
    axes: Axes, task: str, classes: Sequence[Fields], num_classes: int, result: Result
) -> None:
    ids = [one["class_id"] for one in classes]
    places = range(len(ids))
    rows = {name: _by_class(fields, task, ids) for name, fields in list(result.items())[:2]}
    ends = list(rows.values())
    axes.hlines(places, np.nanmin(ends, axis=0), np.nanmax(ends, axis=0), color="#dddddd")
    for name, values in rows.items():
        axes.plot(values, places, "o", color=_colour(name), markersize=6, label=name)
    axes.set_yticks(places, [f"{one['name']}  ({one['num_test']})" for one in classes], fontsize=8)
    axes.set_ylim(len(ids) - 0.5, -0.5)
    axes.set_xlim(-3, 103)
    axes.set_xlabel("top-1 accuracy, %", fontsize=9)
    told = f"the {len(ids)} most frequent of {num_classes}" if num_classes > len(ids) else "all"
    axes.set_title(f"{task}: {told} classes (test items)", fontsize=10, loc="left")
    axes.grid(axis="x", color="#eeeeee")
    axes.set_axisbelow(True)
    axes.tick_params(axis="y", length=0)
    axes.spines[["top", "right", "left"]].set_visible(False)


def _by_class(fields: Fields, task: str, ids: Sequence[int]) -> list[float]:
    found = {one["class_id"]: one["top1"] for one in fields.get("classes", {}).get(task, ())}
    return [found.get(one, np.nan) for one in ids]


def _colour(row: str) -> str:
    return RANDOM if row.startswith("random") else TRAINED
