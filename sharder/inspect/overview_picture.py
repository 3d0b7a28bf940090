"""A whole sound, or a stretch of it: pictures, curve with moments, spectrogram, actions."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from replai.core.record import Action
from replai.core.timeline import Span
from sharder.detectors import Config, terms_of
from sharder.inspect.closeup import Frames
from sharder.inspect.hearing import Curve
from sharder.inspect.ink import (
    INK,
    LABEL,
    MOMENT,
    PALE,
    WIDTH_INCHES,
    Picture,
    caption,
    drawn,
    new_figure,
    quiet,
    show_spectrogram,
    spread,
    time_axis,
)
from sharder.inspect.view import View

_LEFT, _RIGHT = 0.75, 0.3
_CURVE, _NO_CURVE, _SPECTROGRAM, _LANE = 1.9, 0.6, 1.7, 0.24
_GAP, _TITLE, _AXIS = 0.28, 0.38, 0.05
_TALLEST_PICTURE = 1.7
_MOST_LANES = 3
_FEW = 60
"""So many moments have room for thick lines."""
_LETTER_INCHES = 0.066
_NUMBER_INCHES = 0.24
_POINTS = 8000
"""Past these, the curve is drawn as the band between its lowest and highest values."""

MOMENTS_CAPTION = "; red: moments"
PROMINENCE_CAPTION = ", each line as high as its moment is prominent"
SPECTROGRAM_CAPTION = "log-mel spectrogram of the sound: darker is louder, a vertical edge is a hit"
ACTIONS_CAPTION = "labelled actions"


def overview_picture(view: View, config: Config) -> Picture:
    """The view, WIDTH_INCHES wide."""
    lanes = _lanes(view.actions, view.span)
    heights = [
        _row_height(view.thumbnails),
        _CURVE if view.curve is not None else _NO_CURVE,
        _SPECTROGRAM if view.curve is not None else 0.0,
        _LANE * len(lanes),
    ]
    head = _TITLE if heights[0] else _TITLE + _GAP  # a caption stands above all but pictures
    total = head + sum(height + _GAP for height in heights if height) + _AXIS
    figure = new_figure(total)
    figure.text(
        _LEFT / WIDTH_INCHES, 1 - 0.08 / total, view.title,
        fontsize=12, weight="bold", color=INK, va="top", parse_math=False,
    )  # fmt: skip
    draw = (_show_thumbnails, _show_hearing, _show_spectrogram, _show_actions)
    top = total - head
    for height, show in zip(heights, draw, strict=True):
        if height:
            axes = _panel(figure, top - height, height)
            show(axes, view, config)
            time_axis(axes, view.span)
            axes.tick_params(bottom=False, labelbottom=False)
            top -= height + _GAP
    axes.tick_params(bottom=True, labelbottom=True)  # the lowest: there is always the curve's
    return drawn(figure)


def _panel(figure: Figure, bottom: float, height: float) -> Axes:
    """Axes across the figure, in inches from its lower edge."""
    total = figure.get_figheight()
    width = WIDTH_INCHES - _LEFT - _RIGHT
    return figure.add_axes(
        (_LEFT / WIDTH_INCHES, bottom / total, width / WIDTH_INCHES, height / total)
    )


def _row_height(thumbnails: Sequence[Frames | None]) -> float:
    shapes = [t.shape for t in thumbnails if t is not None]
    if not shapes:
        return 0.0
    cell = (WIDTH_INCHES - _LEFT - _RIGHT) / len(thumbnails)
    height, width, _ = shapes[0]
    return min(cell * float(height / width), _TALLEST_PICTURE)


def _show_thumbnails(axes: Axes, view: View, _config: Config) -> None:
    """Each picture centred on its time, as large as fits."""
    quiet(axes)
    axes.set_yticks([])
    axes.set_ylim(0, 1)
    box = axes.get_position()
    figure_width, figure_height = axes.figure.get_size_inches()  # type: ignore[union-attr]
    width, height = box.width * figure_width, box.height * figure_height
    cell = view.span.duration_seconds / len(view.thumbnails)
    for number, picture in enumerate(view.thumbnails):
        centre = view.span.start_seconds + (number + 0.5) * cell
        if picture is None:
            axes.text(centre, 0.5, "damaged", color=PALE, fontsize=9, ha="center", va="center")
            continue
        wide = height * picture.shape[1] / picture.shape[0] / width * view.span.duration_seconds
        half = min(wide, cell) * 0.97 / 2
        axes.imshow(picture, extent=(centre - half, centre + half, 0, 1), aspect="auto")
        edge = Rectangle((centre - half, 0), 2 * half, 1, fill=False, edgecolor=PALE, linewidth=0.6)
        edge.set_clip_on(False)
        axes.add_patch(edge)


def _show_hearing(axes: Axes, view: View, config: Config) -> None:
    """The curve with the moments on it; the moments alone, where nothing was heard."""
    curve = view.curve.within(view.span) if view.curve is not None else None
    if curve is not None and len(curve.values):
        _show_curve(axes, view, curve, config)
        return
    quiet(axes)
    axes.set_yticks([])
    axes.set_ylim(-0.3, 1.3 if view.numbers else 1.0)
    caption(axes, (view.note or "no sound") + MOMENTS_CAPTION * bool(view.moments))
    for moment in view.moments:
        axes.plot([moment.seconds] * 2, [0, 0.7], color=MOMENT, linewidth=1.8)
    _write_numbers(axes, view, lambda _: 0.7, 1.1)


def _show_curve(axes: Axes, view: View, curve: Curve, config: Config) -> None:
    quiet(axes, "left")
    terms = terms_of(config)
    axes.set_ylabel(f"{terms.name} ({terms.short_unit})", fontsize=9)
    ranked = any(moment.prominence is not None for moment in view.moments)
    said = (MOMENTS_CAPTION + PROMINENCE_CAPTION * ranked) * bool(view.moments)
    caption(axes, f"{terms.meaning}, in {terms.unit} {terms.reference}{said}")
    _draw_curve(axes, curve)
    low, high = float(curve.values.min()), float(curve.values.max())
    few = len(view.moments) <= _FEW
    for moment in view.moments:
        peak = curve.at(moment.seconds)
        base = peak - (moment.prominence or 0.0)
        axes.plot(
            [moment.seconds] * 2, [base, peak], color=MOMENT, linewidth=1.8 if few else 0.8,
            alpha=1.0 if few else 0.6, solid_capstyle="butt",
        )  # fmt: skip
    axes.plot(
        [m.seconds for m in view.moments], [curve.at(m.seconds) for m in view.moments],
        "o", color=MOMENT, markersize=4.5 if few else 2.0, markeredgewidth=0,
    )  # fmt: skip
    room = max(high - low, 2 * config.min_prominence)
    axes.set_ylim(low - 0.05 * room, low + room * (1.3 if view.numbers else 1.1))
    if not view.moments:
        least = f"{config.min_prominence:g} {terms.short_unit}"
        why = "none was given" if view.are_given else f"no peak rises by {least} or more"
        said = f"no moment: {why}"
        axes.text(0.5, 0.8, said, transform=axes.transAxes, ha="center", color=PALE, fontsize=11)
    _write_numbers(axes, view, curve.at, low + 1.2 * room)


def _show_spectrogram(axes: Axes, view: View, _config: Config) -> None:
    show_spectrogram(axes, view.spectrogram)
    quiet(axes, "left")
    caption(axes, SPECTROGRAM_CAPTION)
    for moment in view.moments if len(view.moments) <= _FEW else ():
        axes.axvline(moment.seconds, color=MOMENT, linewidth=0.7, alpha=0.6)


def _draw_curve(axes: Axes, curve: Curve) -> None:
    size = -(-len(curve.values) // _POINTS)
    if size <= 1:
        axes.plot(curve.seconds, curve.values, color=INK, linewidth=0.8)
        return
    whole = len(curve.values) // size * size
    groups = curve.values[:whole].reshape(-1, size)
    first = curve.start_seconds + (size - 1) / 2 * curve.step_seconds
    times = first + np.arange(len(groups)) * size * curve.step_seconds
    axes.fill_between(times, groups.min(1), groups.max(1), color=INK, linewidth=0.5, alpha=0.5)


def _write_numbers(
    axes: Axes, view: View, peak_at: Callable[[float], float], height: float
) -> None:
    """The numbers of the moments that are shown below, in a row above their peaks."""
    times = sorted(view.numbers)
    a_inch = view.span.duration_seconds / (WIDTH_INCHES - _LEFT - _RIGHT)
    places = spread(times, _NUMBER_INCHES * a_inch, view.span.start_seconds, view.span.stop_seconds)
    for time, place in zip(times, places, strict=True):
        axes.annotate(
            str(view.numbers[time]), xy=(time, peak_at(time)), xytext=(place, height),
            ha="center", va="center", fontsize=9, color=MOMENT, weight="bold",
            arrowprops={"arrowstyle": "-", "color": MOMENT, "linewidth": 0.5, "shrinkB": 3},
        )  # fmt: skip


def _lanes(actions: Sequence[Action], span: Span) -> list[list[Action]]:
    """The actions seen in `span`, in as few lanes as hold them apart, _MOST_LANES at most."""
    lanes: list[list[Action]] = []
    for action in sorted(actions, key=lambda a: a.start_seconds):
        if action.stop_seconds <= span.start_seconds or action.start_seconds >= span.stop_seconds:
            continue
        free = next((n for n in lanes if n[-1].stop_seconds <= action.start_seconds), None)
        if free is not None:
            free.append(action)
        elif len(lanes) < _MOST_LANES:
            lanes.append([action])
        else:
            min(lanes, key=lambda lane: lane[-1].stop_seconds).append(action)
    return lanes


def _show_actions(axes: Axes, view: View, _config: Config) -> None:
    lanes, span = _lanes(view.actions, view.span), view.span
    quiet(axes)
    axes.set_ylim(len(lanes), 0)
    axes.set_yticks([])
    caption(axes, ACTIONS_CAPTION)
    a_inch = span.duration_seconds / (WIDTH_INCHES - _LEFT - _RIGHT)
    for row, lane in enumerate(lanes):
        nexts = [a.start_seconds for a in lane[1:]] + [span.stop_seconds]
        for action, following in zip(lane, nexts, strict=True):
            start = max(action.start_seconds, span.start_seconds)
            axes.barh(
                row + 0.5, action.stop_seconds - start, 0.84, start, color=LABEL,
                edgecolor=PALE, linewidth=0.5,
            )  # fmt: skip
            letters = int((following - start) / a_inch / _LETTER_INCHES) - 1
            axes.text(
                start, row + 0.5, " " + shortened(f"{action.verb} {action.noun}", letters),
                va="center", fontsize=8, color=INK, parse_math=False, clip_on=True,
            )  # fmt: skip


def shortened(text: str, letters: int) -> str:
    """`text` in at most so many letters; nothing where that would say too little."""
    if len(text) <= letters:
        return text
    return text[: letters - 1] + "…" if letters >= 4 else ""
