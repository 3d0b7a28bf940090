"""Pictures as PNG bytes."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

TRAINED, RANDOM = "#2a6f97", "#b5b5b5"
CURVE_PANELS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("loss", ("loss", "avc", "astc", "avid_cross", "avid_self")),
    ("direction accuracy (chance 0.5)", ("direction_accuracy",)),
    ("audio → video retrieval R@1", ("audio_to_video_recall_at_1",)),
    ("means of p_fwd and p_bwd", ("forward_probability", "backward_probability")),
    ("learning rate", ("learning_rate",)),
    ("norm of the gradient", ("gradient_norm",)),
    ("moments a second", ("moments_per_second",)),
    ("share of time waiting for data", ("wait_share",)),
)


PLAIN_TEXT = rc_context({"text.parse_math": False})
"""Of pictures with names of videos and classes in them: two `$` in one are no formula."""


def png(figure: Figure) -> bytes:
    """The figure as PNG."""
    sink = io.BytesIO()
    figure.savefig(sink, format="png", dpi=110, bbox_inches="tight")
    return sink.getvalue()


def training_curves(rows: Sequence[dict[str, float]]) -> bytes:
    """Loss terms, accuracies and pace over the steps; held-out values as dots."""
    figure = Figure(figsize=(14, 6))
    for axes, (title, names) in zip(figure.subplots(2, 4).flat, CURVE_PANELS, strict=True):
        for name in names:
            _curve(axes, rows, name)
        axes.set_title(title, fontsize=10)
        axes.set_xlabel("step", fontsize=8)
        axes.spines[["top", "right"]].set_visible(False)
        if len(axes.get_legend_handles_labels()[0]) > 1:
            axes.legend(frameon=False, fontsize=8)
    figure.tight_layout()
    return png(figure)


def _curve(axes: Axes, rows: Sequence[dict[str, float]], name: str) -> None:
    train = [(row["step"], row[name]) for row in rows if name in row]
    held_out = [(row["step"], row[f"held_out/{name}"]) for row in rows if f"held_out/{name}" in row]
    colour = None
    if train:
        form = "-" if train[1:] else "o"  # one point alone is no line
        (line,) = axes.plot(*zip(*train, strict=True), form, markersize=4, label=name)
        colour = line.get_color()
    if held_out:
        axes.plot(
            *zip(*held_out, strict=True),
            "o--",
            markersize=4,
            color=colour,
            label=f"{name}, held out",
        )


@PLAIN_TEXT
def moment_strip(
    clips: Mapping[str, NDArray[np.uint8]], log_mel: NDArray[np.float32], title: str
) -> bytes:
    """One moment: frames of the first of its clips, the sound's log-mel spectrogram, and frames of
    the second, if there is one.

    `clips` by what to call them, uint8 [T, H, W, 3]; `log_mel` float32 [bands, frames] of the
    window centred on the moment.
    """
    names = list(clips)
    figure = Figure(figsize=(13 if names[1:] else 7.5, 2.1))
    widths = [1.0, 1, 1, 1, 2.2] + [1.0, 1, 1, 1] * len(names[1:])
    axes = figure.subplots(1, len(widths), width_ratios=widths)
    for name, first in zip(names, (0, 5), strict=False):
        axes[first].set_title(name, fontsize=9, loc="left")
        for panel, frame in zip(axes[first : first + 4], _four(clips[name]), strict=True):
            panel.imshow(frame)
    axes[4].imshow(log_mel, origin="lower", aspect="auto", cmap="magma")
    axes[4].axvline(log_mel.shape[1] / 2, color="white", linewidth=1)
    axes[4].set_title(title, fontsize=9)
    for panel in axes:
        panel.set_xticks([])
        panel.set_yticks([])
    figure.tight_layout()
    return png(figure)


def _four(clip: NDArray[np.uint8]) -> NDArray[np.uint8]:
    chosen: NDArray[np.uint8] = clip[np.linspace(0, len(clip) - 1, 4).round().astype(int)]
    return chosen
