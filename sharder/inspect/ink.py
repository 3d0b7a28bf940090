"""What all pictures share: few inks, axes, and their way to bytes. Needs matplotlib."""

from __future__ import annotations

import io
import warnings
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator
from numpy.typing import NDArray
from PIL import Image, PngImagePlugin

from replai.core.timeline import Span
from sharder.inspect.hearing import LOG_MEL, Spectrogram
from sharder.logmel import mel_filters

INK, PALE, MOMENT = "#222222", "#8a8a8a", "#d1495b"
CAPTION = "#606060"
BEFORE, AFTER = "#2a6f97", "#e08e45"
LABEL = "#dfe8ee"
WIDTH_INCHES = 12.0
DPI = 150
SOFTWARE = "sharder inspect"
"""Stands in our PNGs and pages, so that nobody else's file is ever replaced."""

Picture = NDArray[np.uint8]
"""uint8 [H, W, 3]."""

_HERTZ = ((250, "250 Hz"), (1000, "1 kHz"), (2000, "2 kHz"), (4000, "4 kHz"))
_JPEG_QUALITY = 88


def new_figure(height_inches: float, width_inches: float = WIDTH_INCHES) -> Figure:
    """An empty figure."""
    return Figure(figsize=(width_inches, height_inches), dpi=DPI, facecolor="white")


def drawn(figure: Figure) -> Picture:
    """The figure as pixels. Letters that the font lacks are drawn as boxes, without a word."""
    canvas = FigureCanvasAgg(figure)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        canvas.draw()  # type: ignore[no-untyped-call]
    pixels = np.asarray(canvas.buffer_rgba())  # type: ignore[no-untyped-call]
    return pixels[..., :3].copy()


def png(picture: Picture) -> bytes:
    """The picture as PNG, signed with SOFTWARE."""
    sink, facts = io.BytesIO(), PngImagePlugin.PngInfo()
    facts.add_text("Software", SOFTWARE)
    Image.fromarray(picture).save(sink, "png", pnginfo=facts)
    return sink.getvalue()


def jpeg(picture: Picture) -> bytes:
    """The picture as JPEG: for frames of video."""
    sink = io.BytesIO()
    Image.fromarray(picture).save(sink, "jpeg", quality=_JPEG_QUALITY, subsampling=0)
    return sink.getvalue()


def stacked(pictures: Sequence[Picture]) -> Picture:
    """Pictures of one width, one below the other."""
    return np.concatenate(pictures)


def tiled(pictures: Sequence[Picture], columns: int) -> list[Picture]:
    """Rows of pictures of one width, as wide as a stack; shorter ones end in white."""
    width = round(WIDTH_INCHES * DPI)
    rows = []
    for first in range(0, len(pictures), columns):
        row = pictures[first : first + columns]
        tile = np.full((max(p.shape[0] for p in row), width, 3), 255, np.uint8)
        left = 0
        for picture in row:
            tile[: picture.shape[0], left : left + picture.shape[1]] = picture
            left += picture.shape[1]
        rows.append(tile)
    return rows


def quiet(axes: Axes, *spines: str) -> None:
    """Only the given spines; small ticks in a pale ink."""
    for name, spine in axes.spines.items():
        spine.set_visible(name in spines)
        spine.set_color(PALE)
        spine.set_linewidth(0.6)
    axes.tick_params(labelsize=9, color=PALE, labelcolor=INK, length=3)


def caption(axes: Axes, text: str) -> None:
    """Says above a panel what it shows."""
    axes.set_title(text, loc="left", fontsize=9, color=CAPTION, pad=4, parse_math=False)


def show_spectrogram(axes: Axes, spectrogram: Spectrogram | None) -> None:
    """The log-mel, darker where louder, with a frequency axis."""
    top = LOG_MEL.num_bands
    if spectrogram is not None and spectrogram.values.size:
        span, values = spectrogram.span, spectrogram.values
        low, high = np.percentile(values, (10, 99.7))
        axes.imshow(
            values.T,
            origin="lower",
            aspect="auto",
            cmap="Greys",
            extent=(span.start_seconds, span.stop_seconds, 0, top),
            vmin=low,
            vmax=max(high, low + 0.5),  # 5 dB at least: silence stays white
            interpolation="nearest",
        )
    places = band_of(np.array([hertz for hertz, _ in _HERTZ]))
    axes.set_yticks(places, [name for _, name in _HERTZ])
    axes.set_ylim(0, top)


def band_of(hertz: NDArray[np.int64]) -> NDArray[np.float64]:
    """Where frequencies lie on the axis of LOG_MEL's bands; band i covers [i, i + 1)."""
    filters = mel_filters(LOG_MEL)
    bins = np.linspace(0, LOG_MEL.sample_rate_hz / 2, len(filters))
    centres = bins[filters.argmax(0)]
    edge = np.append(centres, LOG_MEL.sample_rate_hz / 2)
    places: NDArray[np.float64] = np.interp(hertz, edge, np.arange(len(edge)) + 0.5)
    return places


def time_axis(axes: Axes, span: Span) -> None:
    """`span` along x, in seconds or, where that is long, as minutes or hours."""
    axes.set_xlim(span.start_seconds, span.stop_seconds)
    if span.stop_seconds <= 180:
        axes.xaxis.set_major_locator(MaxNLocator(12, steps=[1, 2, 5, 10]))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g} s"))
        return
    steps = [1, 2, 3, 6, 10] if span.duration_seconds > 120 else [1, 2, 5, 10]
    unit = 60.0 if span.duration_seconds > 600 else 10.0 if span.duration_seconds > 120 else 1.0
    ticks = MaxNLocator(12, steps=steps).tick_values(
        span.start_seconds / unit, span.stop_seconds / unit
    )
    axes.set_xticks([t * unit for t in ticks if span.contains(t * unit)])
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: clock(x)))


def clock(seconds: float) -> str:
    """`seconds` as `m:ss` or `h:mm:ss`."""
    whole = round(seconds)
    hours, minutes, rest = whole // 3600, whole // 60 % 60, whole % 60
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def spread(places: Sequence[float], least: float, low: float, high: float) -> list[float]:
    """`places`, rising, moved as little as it takes to be `least` apart and inside [low, high]."""
    moved: list[float] = []
    for place in places:
        moved.append(max(place, low, moved[-1] + least if moved else low))
    limit = high
    for number in range(len(moved) - 1, -1, -1):
        moved[number] = min(moved[number], limit)
        limit = moved[number] - least
    return moved
