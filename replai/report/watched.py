"""Pictures of held-out moments while a run learns: one for each of some epochs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from numpy.typing import NDArray

from replai.report.plots import PLAIN_TEXT, RANDOM, TRAINED, png
from replai.training.examples import Examples

NUM_SHOWN = 6
"""Moments in a picture."""
NUM_NEAREST = 3
FORWARD, BACKWARD, SIMILAR = "forward_probability", "backward_probability", "video_to_audio"
RIGHT, WRONG = "#2a9d55", "#c8502f"


def shown_rows(rows: Sequence[dict[str, Any]], most: int) -> list[dict[str, Any]]:
    """The first and the last validation, and evenly some between, `most` at most; of 1 the last."""
    chosen = np.linspace(len(rows) - 1, 0, min(most, len(rows))).round().astype(int)[::-1]
    return [rows[i] for i in chosen]


def nearest(similarities: Sequence[float], count: int) -> list[int]:
    """The places of the `count` highest, the highest first; of equals the first one."""
    order: list[int] = np.argsort(-np.asarray(similarities), kind="stable")[:count].tolist()
    return order


@PLAIN_TEXT
def epoch_picture(examples: Examples, row: dict[str, Any]) -> bytes:
    """PNG: a line a moment with its frames, its sound, p_fwd and p_bwd, and the nearest sounds.

    What the run's objective does not tell is left out.
    """
    count = min(NUM_SHOWN, len(examples.titles))
    figure = Figure(figsize=(13, 1.35 * count + 0.3), layout="constrained")
    lines = figure.subfigures(count, 1, squeeze=False)[:, 0]
    for number, line in enumerate(lines):
        _line(line, examples, row, number)
    return png(figure)


def probability_curves(examples: Examples) -> bytes:
    """PNG: p_fwd and p_bwd of each moment over the epochs, faint, and their means."""
    figure = Figure(figsize=(7, 2.8), layout="constrained")
    axes = figure.subplots()
    epochs = [row["epoch"] for row in examples.rows]
    for name, colour, label in ((FORWARD, TRAINED, "p_fwd"), (BACKWARD, WRONG, "p_bwd")):
        values = np.array([row[name] for row in examples.rows])
        axes.plot(epochs, values, color=colour, alpha=0.2, linewidth=0.8)
        axes.plot(epochs, values.mean(axis=1), "o-", color=colour, markersize=3, label=label)
    axes.set_ylim(0, 1)
    axes.set_xlabel("epoch", fontsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=8, ncols=2, loc="lower center", bbox_to_anchor=(0.5, 1.0))
    return png(figure)


def _line(figure: SubFigure, examples: Examples, row: dict[str, Any], number: int) -> None:
    clips = [clip[number] for clip in examples.clips.values()]
    num_frames = sum(map(len, clips))
    widths = [1.0] * num_frames + [1.6, 1.5] + [1.6] * NUM_NEAREST
    panels = figure.subplots(1, len(widths), width_ratios=widths)
    for panel, frame in zip(panels, np.concatenate(clips), strict=False):
        panel.imshow(frame)
    panels[0].set_title(examples.titles[number], fontsize=7, loc="left")
    for first, name in zip(range(0, num_frames, len(clips[0])), examples.clips, strict=True):
        panels[first].set_xlabel(name.removeprefix("video_"), fontsize=7, loc="left")
    own, bars = panels[num_frames], panels[num_frames + 1]
    _sound(own, examples.sounds[number], "its sound")
    _bars(bars, row, number)
    places = nearest(row[SIMILAR][number], NUM_NEAREST) if SIMILAR in row else []
    for panel, place in zip(panels[num_frames + 2 :], places, strict=False):
        told = f"nearest: {row[SIMILAR][number][place]:.3f}"
        _sound(panel, examples.sounds[place], told, RIGHT if place == number else WRONG)
    for panel in panels:
        if panel is not bars:
            panel.set_xticks([])
            panel.set_yticks([])
    for panel in panels[num_frames + 2 + len(places) :]:
        panel.set_axis_off()


def _sound(
    panel: Axes, log_mel: NDArray[np.float32], title: str, frame_colour: str | None = None
) -> None:
    panel.imshow(log_mel, origin="lower", aspect="auto", cmap="magma")
    panel.set_title(title, fontsize=7)
    if frame_colour:
        panel.spines[:].set(color=frame_colour, linewidth=2.5)


def _bars(panel: Axes, row: dict[str, Any], number: int) -> None:
    if FORWARD not in row:
        panel.set_axis_off()
        return
    values = [row[FORWARD][number], row[BACKWARD][number]]
    panel.barh(["p_fwd", "p_bwd"], values, color=[TRAINED, RANDOM])
    panel.axvline(0.5, color="black", linewidth=0.5)
    for place, value in enumerate(values):
        panel.text(0.02, place, f"{value:.2f}", fontsize=7, va="center")
    right = values[0] > values[1]
    panel.set_title("direction right" if right else "direction wrong",
                    fontsize=7, color=RIGHT if right else WRONG)  # fmt: skip
    panel.set_xlim(0, 1)
    panel.set_xticks([])
    panel.tick_params(axis="y", labelsize=7, length=0)
    panel.invert_yaxis()
    panel.spines[["top", "right", "bottom"]].set_visible(False)
