"""The paper's Table 1 beside ours: its seven rows and two more, several seeds, as Markdown and as a
picture.

Mittal et al. (NeurIPS 2022), Table 1: a linear probe of verbs and nouns on EPIC-Kitchens-100, and
verbs and nouns on Ego4D. Of ours, `action_top1` too, which the paper does not give.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise, permutations
from statistics import fmean, stdev

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy import stats

from replai.report.plots import RANDOM, TRAINED, png

METRICS = ("verb_top1", "noun_top1", "verb_top5", "noun_top5")
"""The paper's."""
ACTION = "action_top1"
"""Verb and noun both right: what EPIC-Kitchens-100 counts first."""
FIRST = ("verb_top1", "noun_top1", ACTION)
"""What the picture, the orders and the gaps are of."""
LAST = "replai"
"""The row that the others are held against."""
Rows = Mapping[str, Mapping[str, Sequence[float]]]
"""Name of a row -> metric -> one figure in percent for each seed, in the order of the seeds."""


@dataclass(frozen=True)
class Row:
    """A row's name, and the paper's figures in the order of METRICS, in percent, if it has it."""

    label: str
    epic: tuple[float, float, float, float] | None = None
    ego4d: tuple[float, float] | None = None

    @property
    def papers(self) -> dict[str, tuple[float, ...]]:
        """Dataset of the paper -> its figures; empty if the paper has no such row."""
        if self.epic is None or self.ego4d is None:
            return {}
        return dict(zip(PAPERS, (self.epic, self.ego4d), strict=True))


PAPERS = {"EPIC-Kitchens-100": METRICS, "Ego4D": METRICS[:2]}
"""The paper's datasets -> its metrics there."""
TABLE = {
    "random": Row("Random", (20.38, 4.96, 64.75, 19.83), (17.4, 7.7)),
    "start": Row("AVID's start"),
    "avid": Row("AVID", (26.62, 9.00, 69.79, 25.50), (18.3, 10.7)),
    "wo_avc": Row("w/o AVC", (29.92, 10.46, 70.58, 29.00), (20.3, 12.4)),
    "wo_astc": Row("w/o AStC", (29.29, 9.67, 73.33, 29.54), (21.1, 13.5)),
    "wo_moi": Row("w/o MoI", (28.71, 8.33, 73.17, 27.29), (19.8, 11.2)),
    "scratch": Row("from scratch", (25.75, 8.12, 71.25, 27.29), (22.2, 14.1)),
    "bare": Row("bare difference"),
    "replai": Row("RepLAI", (31.71, 11.25, 73.54, 30.54), (22.5, 14.7)),
}
"""`start`: the weights that all rows but Random and scratch start from, as they are. `bare`: state
change without the head on the difference, as Eq. 1 is written (docs/method.md)."""


@dataclass(frozen=True)
class Gap:
    """RepLAI minus a row, in percentage points: the mean over seeds and its 95% interval."""

    mean: float
    low: float
    high: float

    @property
    def is_apart(self) -> bool:
        """Whether RepLAI is above beyond what the seeds' spread explains."""
        return self.low > 0


def gap(replai: Sequence[float], row: Sequence[float]) -> Gap | None:
    """Paired by seed, as a seed's rows share their world and first weights; None below 2 seeds.

    The interval is Student's for the mean of the differences.
    """
    differences = [ours - theirs for ours, theirs in zip(replai, row, strict=True)]
    if len(differences) < 2:
        return None
    mean, spread = fmean(differences), stdev(differences) / math.sqrt(len(differences))
    half = spread * float(stats.t.ppf(0.975, len(differences) - 1))
    return Gap(mean, mean - half, mean + half)


def in_order(rows: Rows, metric: str) -> list[str]:
    """Rows in the order of their means, the lowest first."""
    return sorted(rows, key=lambda name: fmean(rows[name][metric]))


def agreed(rows: Rows, metric: str) -> list[tuple[str, str]]:
    """Pairs of rows (lower, higher) that the paper orders alike on every dataset with the metric.

    Pairs that its datasets contradict each other on are left out, so no world can have all of its
    orders; so are ties.
    """
    columns = [_papers(rows, data, metric) for data, metrics in PAPERS.items() if metric in metrics]
    return [
        (low, high)
        for low, high in permutations(columns[0] if columns else (), 2)
        if all(theirs[low] < theirs[high] for theirs in columns)
    ]


def markdown(rows: Rows) -> str:
    """The table with mean ± standard deviation over the seeds beside the paper's figures, and
    the order that the rows came out in beside the paper's, with the pairs that its datasets order
    alike. Gaps that are apart are bold, and neighbours that are apart have a ≪ between them."""
    head = ["row", *map(_title, (*METRICS, ACTION)), "RepLAI − row, verb", "noun", "action"]
    head += [f"{data}: {_title(metric)}" for data, metrics in PAPERS.items() for metric in metrics]
    lines = [head, ["---", *["---:"] * (len(head) - 1)]]
    lines += [_cells(rows, name) for name in TABLE if name in rows]
    table = "".join(f"| {' | '.join(cells)} |\n" for cells in lines)
    orders = "".join(f"\n{_orders(rows, metric)}\n" for metric in FIRST)
    return f"{table}\n{_caption(rows)}\n{orders}"


def _caption(rows: Rows) -> str:
    num_seeds = max((len(row[METRICS[0]]) for row in rows.values()), default=0)
    return (
        f"Linear probe on held-out made-up videos, in %; mean ± standard deviation of {num_seeds} "
        "seeds. RepLAI − row: the mean over seeds and Student's 95% interval for it, paired by "
        "seed; bold where all of it is above 0. In the orders below ≪ stands between neighbours "
        "that are apart in the same way, and < where the seeds do not tell. The paper gives one "
        "figure a row."
    )


def _title(metric: str) -> str:
    return metric.replace("_", " ")


def _orders(rows: Rows, metric: str) -> str:
    told = [f"- here: {_order_here(rows, metric)}"]
    for data, metrics in PAPERS.items():
        if metric in metrics:
            theirs = _papers(rows, data, metric)
            order = sorted(theirs, key=theirs.__getitem__)
            told.append(f"- {data}: {' < '.join(TABLE[name].label for name in order)}")
    pairs = agreed(rows, metric)
    return "\n".join(
        [f"{_title(metric)}, from the lowest:", "", *told, *_agreement(rows, metric, pairs)]
    )


def _agreement(rows: Rows, metric: str, pairs: Sequence[tuple[str, str]]) -> list[str]:
    if not pairs:
        return []
    means = {name: fmean(rows[name][metric]) for name in rows}
    reversed_pairs = [(low, high) for low, high in pairs if means[low] >= means[high]]
    told = f"- pairs of rows that the paper's datasets order alike: {len(pairs)}; "
    told += f"so here: {len(pairs) - len(reversed_pairs)}"
    gaps = [gap(rows[high][metric], rows[low][metric]) for low, high in pairs]
    if any(gaps):
        told += f", {sum(bool(one and one.is_apart) for one in gaps)} of them apart"
    names = [_reversed_here(rows, metric, low, high) for low, high in reversed_pairs]
    return [f"{told}; the other way: {', '.join(names)}" if names else told]


def _reversed_here(rows: Rows, metric: str, low: str, high: str) -> str:
    found = gap(rows[low][metric], rows[high][metric])
    return f"{TABLE[low].label} {'≫' if found and found.is_apart else '>'} {TABLE[high].label}"


def _order_here(rows: Rows, metric: str) -> str:
    names = in_order(rows, metric)
    told = TABLE[names[0]].label
    for low, high in pairwise(names):
        found = gap(rows[high][metric], rows[low][metric])
        told += f" {'≪' if found and found.is_apart else '<'} {TABLE[high].label}"
    return told


def _papers(rows: Rows, data: str, metric: str) -> dict[str, float]:
    """The paper's figures of the rows that it has."""
    column = PAPERS[data].index(metric)
    return {
        name: row.papers[data][column] for name, row in TABLE.items() if row.papers and name in rows
    }


def _cells(rows: Rows, name: str) -> list[str]:
    gaps = ["–"] * len(FIRST)
    if name != LAST and LAST in rows:
        found = [gap(rows[LAST][metric], rows[name][metric]) for metric in FIRST]
        gaps = [_gap_cell(one) if one else "–" for one in found]
    ours = [_mean_and_spread(rows[name][metric]) for metric in (*METRICS, ACTION)]
    papers = TABLE[name].papers
    theirs = [f"{value:.1f}" for data in papers for value in papers[data]]
    none = ["–"] * sum(len(metrics) for metrics in PAPERS.values())
    return [TABLE[name].label, *ours, *gaps, *(theirs or none)]


def _gap_cell(gap: Gap) -> str:
    text = f"{gap.mean:+.1f} ({gap.low:+.1f} to {gap.high:+.1f})"
    return f"**{text}**" if gap.is_apart else text


def _mean_and_spread(figures: Sequence[float]) -> str:
    spread = f" ± {stdev(figures):.1f}" if len(figures) > 1 else ""
    return f"{fmean(figures):.1f}{spread}"


def picture(rows: Rows) -> bytes:
    """PNG: verb, noun and action, ours with a dot for each seed on the left, then the paper's."""
    names = [name for name in TABLE if name in rows]
    figure = Figure(figsize=(13, 9))
    panels = figure.subplots(len(FIRST), 1 + len(PAPERS), width_ratios=[3, *[2] * len(PAPERS)])
    for metric, (ours, *others) in zip(FIRST, panels, strict=True):
        _bars(ours, names, [fmean(rows[name][metric]) for name in names])
        for place, name in enumerate(names):
            figures = rows[name][metric]
            ours.plot(figures, [place] * len(figures), "o", color="black", markersize=3.5)
        _head(ours, f"{_title(metric)}, %: made-up world, a dot a seed")
        for axes, data in zip(others, PAPERS, strict=True):
            if metric not in PAPERS[data]:
                axes.axis("off")
                continue
            theirs = _papers(rows, data, metric)
            _bars(axes, list(theirs), list(theirs.values()))
            _head(axes, f"{_title(metric)}, %: paper, {data}")
    figure.tight_layout()
    return png(figure)


def _head(axes: Axes, title: str) -> None:
    axes.set_title(title, fontsize=10, loc="left")


def _bars(axes: Axes, names: Sequence[str], values: Sequence[float]) -> None:
    axes.barh(range(len(names)), values, 0.7, color=[_colour(name) for name in names])
    for place, (name, value) in enumerate(zip(names, values, strict=True)):
        ink = "white" if name == LAST else "black"
        axes.text(0, place, f" {value:.1f}", fontsize=9, va="center", color=ink)
    axes.set_yticks(range(len(names)), [TABLE[name].label for name in names])
    axes.invert_yaxis()
    axes.spines[["top", "right"]].set_visible(False)


def _colour(name: str) -> str:
    return TRAINED if name == LAST else RANDOM
