"""The page about one video, or one sound file: what the detector hears, what a model would see."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from replai.core.record import Action, Moment
from replai.core.urls import without_secrets
from sharder.detectors import Config, terms_of
from sharder.inspect import page
from sharder.inspect.hearing import LOG_MEL
from sharder.inspect.ink import Picture, clock, jpeg, png, stacked
from sharder.inspect.looking import Found, Look
from sharder.inspect.moment_picture import Strip, moment_picture
from sharder.inspect.overview_picture import overview_picture, shortened
from sharder.inspect.page import Pages
from sharder.inspect.sound import wav
from sharder.segments import SegmentConfig

_STRIPS_IN_PICTURE = 3
_LABEL_LETTERS = 24
_METHOD = (
    "When hands do something, it can be heard. A moment of interaction is a prominent peak in "
    "{meaning}: a vertical edge in the spectrogram. No label is needed to find it.",
    "The frames just before a moment and those just after it show what the interaction changed. "
    "0.1 s on either side of it is left out.",
    "From many such moments the encoders learn two things: which sound belongs to which frames "
    "(AVC), and whether the sound fits the change from before to after, and not back (AStC).",
)
_STRIP = (
    "Each strip: four frames of the clip before and four of the clip after, on lines to their "
    "times in the 2 s of sound around the moment. Black curve: {meaning}; "
    "red dot: the moment t. Clips and sound are the windows that a model is given."
)


def video_pages(look: Look, config: Config) -> Pages:
    """The page of one source, and a picture: the overview and the first few strips."""
    found = look.found
    curve = found.hearing.curve if found.hearing else None
    views = [overview_picture(view, config) for view in look.views]
    strips = [
        Strip(closeup, moment.prominence, curve, found.unit, _title(number, moment, found))
        for number, (closeup, moment) in enumerate(
            zip(look.closeups, found.shown, strict=True), start=1
        )
    ]
    pictures = [moment_picture(strip) for strip in strips]
    method = [line.format(meaning=terms_of(config).meaning) for line in _METHOD]
    sections = [
        page.paragraph(_headline(found)),
        *(page.figure(png(v), "png", s.title) for v, s in zip(views, look.views, strict=True)),
        page.section("What it shows", page.numbered(method)),
        *_moments(look, strips, pictures, config),
        page.section("The file", page.table(_facts(found, config))),
    ]
    return Pages(
        html=page.page(found.source.video_id, sections),
        png=png(stacked([*views, *pictures[:_STRIPS_IN_PICTURE]])),
        summary=f"{found.source.video_id}: {_headline(found)}",
    )


def labels_at(actions: Sequence[Action], seconds: float) -> list[str]:
    """`verb noun` of the actions under way at `seconds`."""
    return [f"{a.verb} {a.noun}" for a in actions if a.start_seconds <= seconds < a.stop_seconds]


def _title(number: int, moment: Moment, found: Found) -> str:
    """Of a strip: there is room for one label."""
    labels = [
        shortened(label, _LABEL_LETTERS) for label in labels_at(found.actions, moment.seconds)
    ]
    return ", ".join([f"{number}: t = {moment.seconds:.2f} s", *labels[:1]])


def _headline(found: Found) -> str:
    minutes = max(found.facts.duration_seconds, 1e-9) / 60
    number = len(found.moments)
    said = f"{number} moment{'' if number == 1 else 's'} of interaction in {_length(found)}"
    if number:
        said += f", {number / minutes:.1f} a minute"
    return f"{said} ({found.problem})" if found.problem else said


def _length(found: Found) -> str:
    seconds = found.facts.duration_seconds
    return f"{seconds:.1f} s" if seconds < 180 else clock(seconds)


def _moments(
    look: Look, strips: Sequence[Strip], pictures: Sequence[Picture], config: Config
) -> Iterator[str]:
    found = look.found
    if not found.moments:
        yield page.section("No moments", page.paragraph(_why_none(found, config)))
        return
    several = len(found.shown) < len(found.moments)
    ranked = all(m.prominence is not None for m in found.moments)
    title = f"{len(found.shown)} of {len(found.moments)} moments" if several else "The moments"
    which = "" if not several else "the most prominent, " if ranked else "evenly drawn, "
    cards = (
        _card(number, moment, strip, picture, found)
        for number, (moment, strip, picture) in enumerate(
            zip(found.shown, strips, pictures, strict=True), start=1
        )
    )
    title = f"{title}{': ' if which else ''}{which}{'in order of time' if which else ''}"
    said = _STRIP.format(meaning=terms_of(config).meaning)
    yield page.section(title, page.paragraph(said, note=True), *cards)


def _card(number: int, moment: Moment, strip: Strip, picture: Picture, found: Found) -> str:
    heading = f"t = {moment.seconds:.2f} s"
    if found.facts.duration_seconds >= 180:
        heading += f" ({clock(moment.seconds)})"
    if strip.said_prominence:
        heading += f", {strip.said_prominence}"
    samples = strip.closeup.samples
    return page.card(
        heading,
        labels_at(found.actions, moment.seconds),
        jpeg(picture),
        wav(samples, LOG_MEL.sample_rate_hz) if len(samples) else None,
        strip.sound_edges,
        note=strip.closeup.problem or _near_an_end(moment, found),
        number=number,
    )


def _near_an_end(moment: Moment, found: Found) -> str:
    margin, end = SegmentConfig().margin_seconds, found.facts.duration_seconds
    if margin <= moment.seconds <= end - margin:
        return ""
    return (
        f"Less than {margin:g} s from an end of the video: its windows do not fit, and "
        "`sharder pack` leaves it out."
    )


def _why_none(found: Found, config: Config) -> str:
    if found.problem:
        return (
            f"There is nothing to hear ({found.problem}). Bring times of your own: --moments FILE, "
            "with the columns video_id and seconds."
        )
    if found.are_given:
        return "None of the moments that were given lies within the video."
    return (
        f"No peak of the curve rises {config.min_prominence:g} {terms_of(config).unit} above its "
        "surroundings. Lower --min-prominence, or bring times of your own with --moments FILE."
    )


def _facts(found: Found, config: Config) -> Iterator[tuple[str, object]]:
    facts = found.facts
    yield "file", without_secrets(found.source.url)
    yield "container", facts.container
    yield "duration", f"{facts.duration_seconds:.2f} s ({clock(facts.duration_seconds)})"
    if facts.video is not None:
        video = facts.video
        yield (
            "video",
            f"{video.width}x{video.height}, {video.fps:.3g} frames a second, {video.codec}",
        )
    if facts.audio is not None:
        audio, start = facts.audio, facts.audio_start_seconds or 0.0
        yield (
            "sound",
            f"{audio.sample_rate_hz} Hz, {audio.channels} channels, from {start:.3f} s on",
        )
    yield "moments", len(found.moments)
    if found.actions:
        yield "labelled actions", len(found.actions)
    if not found.are_given:
        yield "least prominence", f"{config.min_prominence:g} {terms_of(config).unit}"
