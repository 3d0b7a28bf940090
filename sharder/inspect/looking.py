"""One video or sound file: all of its sound, a few of its pictures, a close look at moments."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from replai.core import storage
from replai.core.errors import SampleError, UserError
from replai.core.record import Action, Moment
from replai.core.timeline import Span, slot_centres
from replai.media.audio import audio_blocks
from replai.media.container import Media, open_media
from replai.media.probe import MediaFacts
from sharder.detectors import Config, terms_of
from sharder.inspect.closeup import Closeup, read_closeup, read_picture, read_spectrogram
from sharder.inspect.hearing import Hearing, Spectrogram, hear
from sharder.inspect.view import View, chosen, strongest_stretch
from sharder.report import Skipped, name_skipped, with_progress
from sharder.sources import Source, facts_of

THUMBNAILS = 8
FRAMES = 4
"""Frames shown of each clip."""
BOX = 400
"""Frames are read to fit in a square of so many pixels."""
STRETCH_SECONDS = 20.0
LONG_SECONDS = 60.0
"""A longer video is also shown in a stretch of STRETCH_SECONDS."""


@dataclass(frozen=True)
class Given:
    """What the user brings: moments to show instead of the detector's, and labels."""

    moments: tuple[Moment, ...] | None = None
    unit: str = ""
    """Of their prominences, if they say it."""
    actions: tuple[Action, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Found:
    """What is known of a source once all of its sound has been heard."""

    source: Source
    facts: MediaFacts
    hearing: Hearing | None
    problem: str
    """Why there is no hearing."""
    moments: tuple[Moment, ...]
    unit: str
    """Of their prominences, short; empty where it is not known."""
    are_given: bool
    """Whether the moments are the user's, not found here."""
    shown: tuple[Moment, ...]
    """Those that are worth a close look."""
    actions: tuple[Action, ...]

    @property
    def span(self) -> Span:
        """From the first frame to the end of the last."""
        return Span(0.0, self.facts.duration_seconds)


@dataclass(frozen=True)
class Look:
    """One source, heard and seen."""

    found: Found
    views: tuple[View, ...]
    """The whole, and a stretch of it where it is long."""
    closeups: tuple[Closeup, ...]
    """Of the moments shown."""


def look_at(source: Source, given: Given, config: Config, most_shown: int) -> Look:
    """Listens to all of `source`, and looks closely at `most_shown` of its moments at most.

    The sound is read twice, block by block; pictures are read by range: memory hardly grows with
    the file. Raises UserError if the source is no media.
    """
    try:
        found = _listen(source, given, config, most_shown)
        with storage.reading(source.url) as file, open_media(file) as media:
            views = tuple(_views(media, found))
            closeups = with_progress(_closeups(media, found), len(found.shown), "look")
            return Look(found, views, tuple(closeups))
    except SampleError as error:
        raise UserError(f"{source.url} is no video or sound file: {error}") from None


def _listen(source: Source, given: Given, config: Config, most_shown: int) -> Found:
    facts = facts_of(source)
    hearing, problem = None, "no sound"
    if facts.audio is not None:
        try:
            sound = partial(_sound, source, facts.duration_seconds)
            hearing, problem = hear(sound, facts.audio.sample_rate_hz, config), ""
        except SampleError as error:
            problem = f"its sound cannot be read: {error}"
    moments = hearing.moments if hearing else ()
    if given.moments is not None:
        moments = _inside(given.moments, facts.duration_seconds)
    return Found(
        source=source,
        facts=facts,
        hearing=hearing,
        problem=problem,
        moments=moments,
        unit=terms_of(config).short_unit if given.moments is None else given.unit,
        are_given=given.moments is not None,
        shown=chosen(moments, most_shown),
        actions=given.actions,
    )


def _sound(source: Source, duration_seconds: float, rate_hz: int) -> Iterator[NDArray[np.float32]]:
    with storage.reading(source.url) as file:
        blocks = audio_blocks(file, rate_hz)  # of about a second
        yield from with_progress(blocks, round(duration_seconds), "listen")


def _inside(moments: Sequence[Moment], duration_seconds: float) -> tuple[Moment, ...]:
    past = [moment for moment in moments if moment.seconds >= duration_seconds]
    reason = f"past the end, {duration_seconds:.2f} s"
    name_skipped([Skipped(f"{moment.seconds:g} s", reason) for moment in past], "moments")
    return tuple(moment for moment in moments if moment.seconds < duration_seconds)


def _closeups(media: Media, found: Found) -> Iterator[Closeup]:
    for moment in found.shown:
        yield read_closeup(media, found.facts, moment.seconds, FRAMES, BOX)


def _views(media: Media, found: Found) -> Iterator[View]:
    whole = found.hearing.spectrogram if found.hearing else None
    yield _view(media, found, found.span, found.source.video_id, whole)
    if found.span.duration_seconds <= LONG_SECONDS:
        return
    stretch = strongest_stretch(found.moments, found.span, STRETCH_SECONDS)
    title = f"the {STRETCH_SECONDS:g} s with the most prominent moments"
    near = read_spectrogram(media, stretch) if found.hearing else None
    yield _view(media, found, stretch, title, near)


def _view(
    media: Media, found: Found, span: Span, title: str, spectrogram: Spectrogram | None
) -> View:
    times = slot_centres(span.start_seconds, span.duration_seconds, THUMBNAILS).tolist()
    pictures = [read_picture(media, found.facts, time, BOX) for time in times]
    return View(
        title=title,
        span=span,
        thumbnails=pictures,
        spectrogram=spectrogram,
        curve=found.hearing.curve if found.hearing else None,
        moments=[m for m in found.moments if span.contains(m.seconds)],
        numbers={
            m.seconds: number
            for number, m in enumerate(found.shown, start=1)
            if span.contains(m.seconds)
        },
        actions=found.actions,
        are_given=found.are_given,
        note=found.problem,
    )
