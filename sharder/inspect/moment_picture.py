"""One moment: frames before and after it, on lines to the sound around it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import ConnectionPatch

from replai.core.timeline import slot_centres
from sharder.inspect.closeup import (
    CLIP_SECONDS,
    DELTA_SECONDS,
    SOUND_SECONDS,
    Closeup,
    Frames,
    clip_starts,
    spectrogram_of,
)
from sharder.inspect.hearing import LOG_MEL, Curve
from sharder.inspect.ink import (
    AFTER,
    BEFORE,
    INK,
    MOMENT,
    PALE,
    WIDTH_INCHES,
    Picture,
    drawn,
    new_figure,
    quiet,
    show_spectrogram,
)

NARROW_INCHES = 4.0
"""Width of a small strip: fewer words, fewer ticks."""
_LEFT, _RIGHT = 0.68, 0.28
_TITLE, _LINES, _AXIS, _MIDDLE = 0.3, 0.28, 0.34, 0.3
_SOUND, _NARROW_SOUND, _NO_SOUND = 1.5, 1.1, 0.4
_TALLEST_FRAMES = 2.2


@dataclass(frozen=True)
class Strip:
    """What is drawn of one moment. `curve`: the detector's, if there is sound."""

    closeup: Closeup
    prominence: float | None
    curve: Curve | None
    unit: str = ""
    """Of the prominence; empty where it is not known."""
    title: str = ""
    width_inches: float = WIDTH_INCHES

    @property
    def said_prominence(self) -> str:
        """The prominence in words; empty if there is none."""
        if self.prominence is None:
            return ""
        return f"prominence {self.prominence:.1f} {self.unit}".rstrip()

    @property
    def is_narrow(self) -> bool:
        """Whether there is room for few words only."""
        return self.width_inches < 2 * NARROW_INCHES

    @property
    def sound_edges(self) -> tuple[float, float]:
        """Where the sound starts and ends, as shares of the width: the way of a playhead."""
        return _LEFT / self.width_inches, 1 - _RIGHT / self.width_inches


def moment_picture(strip: Strip) -> Picture:
    """The strip. Its times are relative to the moment."""
    frames_height = _frames_height(strip)
    sound_height = _sound_height(strip)
    total = sound_height + _AXIS + _TITLE + (frames_height + _LINES if frames_height else 0.0)
    figure = new_figure(total, strip.width_inches)
    left, right = strip.sound_edges
    sound = figure.add_axes((left, _AXIS / total, right - left, sound_height / total))
    _show_sound(sound, strip)
    if frames_height:
        bottom = (_AXIS + sound_height + _LINES) / total
        _show_clips(figure, sound, strip, bottom, frames_height / total)
    figure.text(
        left + _half_inches(strip) / strip.width_inches, 1 - (_TITLE - 0.06) / total, strip.title,
        color=MOMENT, fontsize=10, weight="bold", ha="right", va="bottom", parse_math=False,
    )  # fmt: skip
    return drawn(figure)


def _sound_height(strip: Strip) -> float:
    if not len(strip.closeup.samples):
        return _NO_SOUND
    return _NARROW_SOUND if strip.is_narrow else _SOUND


def _half_inches(strip: Strip) -> float:
    """Width of the frames of one clip."""
    return (strip.width_inches - _LEFT - _RIGHT - _MIDDLE) / 2


def _frames_height(strip: Strip) -> float:
    num_frames, height, width = strip.closeup.before.shape[:3]
    if not num_frames:
        return 0.0
    height_inches = _half_inches(strip) / num_frames * height / width
    return min(float(height_inches), _TALLEST_FRAMES)


def _show_clips(figure: Figure, sound: Axes, strip: Strip, bottom: float, height: float) -> None:
    left, right = strip.sound_edges
    half = _half_inches(strip) / strip.width_inches
    text_at = bottom + height + 0.06 / figure.get_figheight()
    far, near = DELTA_SECONDS + CLIP_SECONDS, DELTA_SECONDS
    moment = strip.closeup.seconds
    for clip, at, start, ink, name, window in zip(
        (strip.closeup.before, strip.closeup.after),
        (left, right - half),
        clip_starts(moment),
        (BEFORE, AFTER),
        ("before", "after"),
        (f": t − {far:g} s to t − {near:g} s", f": t + {near:g} s to t + {far:g} s"),
        strict=True,
    ):
        _show_clip(figure, sound, clip, (at, bottom, half, height), start - moment, ink)
        words = name if strip.is_narrow else name + window
        figure.text(at, text_at, words, color=ink, fontsize=10, weight="bold", va="bottom")


def _show_clip(
    figure: Figure,
    sound: Axes,
    frames: Frames,
    box: tuple[float, float, float, float],
    start: float,
    ink: str,
) -> None:
    """The frames of one clip side by side, each with a line to its time in the sound."""
    left, bottom, width, height = box
    cell = width / len(frames)
    times = slot_centres(start, CLIP_SECONDS, len(frames))
    for number, (frame, time) in enumerate(zip(frames, times.tolist(), strict=True)):
        axes = figure.add_axes((left + number * cell, bottom, cell * 0.98, height))
        axes.imshow(frame)
        quiet(axes, "left", "right", "top", "bottom")
        axes.set_xticks([])
        axes.set_yticks([])
        line = ConnectionPatch(
            (0.5, 0.0), (time, 1.0), axes.transAxes, sound.get_xaxis_transform(),
            color=ink, linewidth=0.9,
        )  # fmt: skip
        figure.add_artist(line)
    sound.axvspan(start, start + CLIP_SECONDS, color=ink, alpha=0.13, linewidth=0)


def _show_sound(axes: Axes, strip: Strip) -> None:
    half = SOUND_SECONDS / 2
    spectrogram = spectrogram_of(strip.closeup.samples, -half)
    show_spectrogram(axes, spectrogram)
    quiet(axes, "left", "bottom")
    axes.set_xlim(-half, half)
    ticks = np.linspace(-half, half, 5 if strip.is_narrow else 11).tolist()
    axes.set_xticks(ticks, [_offset(t) for t in ticks])
    axes.axvline(0, color=MOMENT, linewidth=1.2)
    if spectrogram is None:
        axes.set_yticks([])
        axes.text(
            -0.97 * half, LOG_MEL.num_bands / 2, strip.closeup.problem or "no sound here",
            color=PALE, fontsize=9, va="center", parse_math=False, clip_on=True,
        )  # fmt: skip
    elif strip.curve is not None:
        _show_curve(axes, strip, strip.curve)


def _show_curve(axes: Axes, strip: Strip, curve: Curve) -> None:
    """The curve over the spectrogram, without an axis of its own: its shape is the point."""
    moment = strip.closeup.seconds
    near = curve.within(strip.closeup.span)
    if not len(near.values):
        return
    over = axes.twinx()
    over.plot(near.seconds - moment, near.values, color="white", linewidth=3.0, alpha=0.7)
    over.plot(near.seconds - moment, near.values, color=INK, linewidth=1.2)
    peak, low, high = curve.at(moment), float(near.values.min()), float(near.values.max())
    over.plot([0], [peak], "o", color=MOMENT, markersize=6)
    if strip.said_prominence:
        over.annotate(
            strip.said_prominence, (0, peak), (9, 0),
            textcoords="offset points", va="center", fontsize=9, color=MOMENT, weight="bold",
            bbox={"facecolor": "white", "alpha": 0.75, "linewidth": 0, "pad": 1.5},
        )  # fmt: skip
    over.set_ylim(low - 0.1, high + 0.25 * max(high - low, 1.0))
    over.set_xlim(axes.get_xlim())
    quiet(over)
    over.set_yticks([])


def _offset(seconds: float) -> str:
    if abs(seconds) < 0.01:
        return "t"
    return f"{'+' if seconds > 0 else '−'}{abs(seconds):.1f} s"
