"""What a dataset is like: histograms, and the most frequent labels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from sharder.inspect.ink import BEFORE, INK, MOMENT, PALE, Picture, drawn, new_figure, quiet
from sharder.inspect.overview_picture import shortened

_COLUMNS = 3
_ROW_INCHES, _BAR_INCHES = 2.5, 0.21
_MOST_BARS = 15
_LONGEST_NAME = 22


@dataclass(frozen=True)
class Histogram:
    """`values` of so many `things`; what is not finite is counted in `note`."""

    title: str
    unit: str
    things: str
    values: Sequence[float]
    note: str = ""


@dataclass(frozen=True)
class Counts:
    """How often each name occurs."""

    title: str
    counts: Counter[str]


def distributions_picture(
    title: str, histograms: Sequence[Histogram], counts: Sequence[Counts]
) -> Picture:
    """Histograms, three in a row; below them bars of the most frequent names."""
    rows = -(-len(histograms) // _COLUMNS)
    most = max((min(len(c.counts), _MOST_BARS) for c in counts), default=0)
    bars = most * _BAR_INCHES + 1.0 if counts else 0.0
    total = 0.45 + rows * _ROW_INCHES + bars
    figure = new_figure(total)
    figure.text(
        0.05, 1 - 0.1 / total, title, fontsize=12, weight="bold", color=INK, va="top",
        parse_math=False,
    )  # fmt: skip
    for number, histogram in enumerate(histograms):
        row, column = divmod(number, _COLUMNS)
        bottom = total - 0.45 - (row + 1) * _ROW_INCHES + 0.55
        box = (0.05 + column * 0.325, bottom / total, 0.27, (_ROW_INCHES - 1.0) / total)
        _show_histogram(figure.add_axes(box), histogram)
    for number, names in enumerate(counts):
        height = min(len(names.counts), _MOST_BARS) * _BAR_INCHES
        bottom = bars - 0.55 - height
        box = (0.17 + number * 0.49, bottom / total, 0.3, height / total)
        _show_counts(figure.add_axes(box), names)
    return drawn(figure)


def _show_histogram(axes: Axes, histogram: Histogram) -> None:
    quiet(axes, "bottom")
    axes.set_title(histogram.title, loc="left", fontsize=10, weight="bold", color=INK)
    axes.set_xlabel(histogram.unit, fontsize=9, parse_math=False)
    values = np.array(histogram.values)
    if not len(values):
        axes.set_xticks([])
        axes.set_yticks([])
        axes.text(0.5, 0.5, histogram.note or "none", transform=axes.transAxes, ha="center",
                  color=PALE)  # fmt: skip
        return
    middle = float(np.median(values))
    axes.hist(values, bins=_edges(values).tolist(), color=BEFORE, edgecolor="white", linewidth=0.6)
    axes.axvline(middle, color=MOMENT, linewidth=1.2)
    said = f"median {middle:.3g}" + (f"; {histogram.note}" if histogram.note else "")
    axes.text(1.0, 1.02, said, transform=axes.transAxes, ha="right", va="bottom", fontsize=9,
              color=MOMENT)  # fmt: skip
    axes.set_ylabel(histogram.things, fontsize=9)
    axes.yaxis.set_major_locator(MaxNLocator(4, integer=True))
    axes.xaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 2.5, 5, 10]))


def _edges(
    values: np.ndarray[tuple[int], np.dtype[np.float64]],
) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Up to 30 bins; values that are all alike get one that is a tenth of them wide."""
    low, high = float(values.min()), float(values.max())
    if high - low < 1e-3 * max(abs(low), abs(high), 1e-6):
        half = max(abs(low) * 0.05, 0.05)
        return np.array([low - half, high + half])
    return np.linspace(low, high, min(max(int(len(values) ** 0.5) + 3, 5), 30) + 1)


def _show_counts(axes: Axes, names: Counts) -> None:
    common = names.counts.most_common(_MOST_BARS)
    quiet(axes, "bottom")
    places = np.arange(len(common))
    bars = axes.barh(places, [count for _, count in common], 0.75, color=BEFORE)
    axes.bar_label(bars, fontsize=8, padding=3)
    axes.set_yticks(places, [shortened(name, _LONGEST_NAME) for name, _ in common])
    for label in axes.get_yticklabels():
        label.set_parse_math(False)
    axes.tick_params(left=False)
    axes.set_ylim(len(common) - 0.5, -0.5)
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    more = len(names.counts) - len(common)
    rest = f" (and {more} more)" if more else ""
    axes.set_title(names.title + rest, loc="left", fontsize=10, weight="bold", color=INK)
    axes.set_xlabel("labelled actions", fontsize=9)
