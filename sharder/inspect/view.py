"""What is drawn of a stretch of time, and which stretches and moments are worth it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from replai.core.record import Action, Moment
from replai.core.timeline import Span
from sharder.inspect.closeup import Frames
from sharder.inspect.hearing import Curve, Spectrogram


@dataclass(frozen=True)
class View:
    """What is drawn of `span`. Nothing of it need be there."""

    title: str
    span: Span
    thumbnails: Sequence[Frames | None]
    """Pictures at the centres of equal parts of the span; uint8 [H, W, 3]."""
    spectrogram: Spectrogram | None
    curve: Curve | None
    moments: Sequence[Moment]
    numbers: dict[float, int]
    """Time of a moment → the number under which it is shown below."""
    actions: Sequence[Action]
    are_given: bool = False
    """Whether the moments are somebody's own, and not the curve's."""
    note: str = ""
    """Written where the curve would be, if there is none."""


def chosen(moments: Sequence[Moment], most: int) -> tuple[Moment, ...]:
    """The `most` most prominent, in order of time; evenly many of all, where some have none."""
    if any(moment.prominence is None for moment in moments):
        places = np.linspace(0, len(moments) - 1, min(most, len(moments))).round().astype(int)
        return tuple(moments[place] for place in places.tolist())
    strongest = sorted(moments, key=lambda m: -(m.prominence or 0.0))[:most]
    return tuple(sorted(strongest, key=lambda m: m.seconds))


def strongest_stretch(moments: Sequence[Moment], span: Span, seconds: float) -> Span:
    """The stretch of `span`, `seconds` long, whose moments are the most prominent in sum."""
    times = np.array([m.seconds for m in moments])
    weights = np.array([m.prominence if m.prominence is not None else 1.0 for m in moments])
    if not len(times):
        return Span(span.start_seconds, min(span.start_seconds + seconds, span.stop_seconds))
    total = np.concatenate([[0.0], weights.cumsum()])
    sums = total[np.searchsorted(times, times + seconds - 1.0)] - total[:-1]
    latest = max(span.stop_seconds - seconds, span.start_seconds)
    start = min(max(float(times[sums.argmax()]) - 0.5, span.start_seconds), latest)
    return Span(start, min(start + seconds, span.stop_seconds))
