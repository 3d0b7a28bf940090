"""The page about one dataset root: distributions, a contact sheet of moments, what its header says.

Counts, durations and sizes are of all segments, from the index; what only the segments themselves
know is of a seeded draw of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np

from replai.core.errors import SampleError
from replai.core.index import DatasetIndex
from replai.core.urls import without_secrets
from sharder.detectors import Config, terms_of
from sharder.engine import run_local
from sharder.inspect import page
from sharder.inspect.distributions_picture import Counts, Histogram, distributions_picture
from sharder.inspect.hearing import LOG_MEL
from sharder.inspect.ink import Picture, clock, jpeg, png, stacked, tiled
from sharder.inspect.moment_picture import NARROW_INCHES, Strip, moment_picture
from sharder.inspect.page import Pages
from sharder.inspect.sound import loudness_db, wav
from sharder.inspect.stored import Opened, Place, Shown, draw, open_segment, show_segment
from sharder.inspect.video_page import labels_at
from sharder.labelling import PROMINENCES
from sharder.report import Skipped, name_skipped, with_progress

_COLUMNS = 3


def dataset_pages(
    index: DatasetIndex, config: Config, most_opened: int, most_shown: int, seed: int,
    workers: int,
) -> Pages:  # fmt: skip
    """The page of the dataset, and a picture: its distributions and its contact sheet.

    Opens `most_opened` random segments, one ranged read each. Damaged ones are counted and named;
    raises UserError where the store does not give them.
    """
    opened = _open(draw(index, most_opened, seed), workers)
    skipped = [Skipped(one.place.key, one.problem) for one in opened if one.problem]
    name_skipped(skipped, "segments")
    shown = list(with_progress(_look(opened, most_shown, seed, config), most_shown, "look"))
    strips = [_strip(one, _unit(index)) for one in shown]
    pictures = [moment_picture(strip) for strip in strips]
    overview = _overview(index, opened)
    cards = (
        _card(one, strip, picture)
        for one, strip, picture in zip(shown, strips, pictures, strict=True)
    )
    contact = _CONTACT.format(meaning=terms_of(config).meaning)
    sections = [
        page.paragraph(_headline(index)),
        page.figure(png(overview), "png", "distributions", _drawn_from(index, opened)),
        page.section("Contact sheet", page.paragraph(contact, note=True), page.grid(cards)),
        *([_damaged(skipped, opened)] if skipped else []),
        page.section("The dataset", page.table(_facts(index))),
    ]
    return Pages(
        html=page.page(without_secrets(index.root), sections),
        png=png(stacked([overview, *tiled(pictures, _COLUMNS)])),
        summary=f"{_headline(index)}; {len(opened)} opened",
    )


_CONTACT = (
    "Each card is one random moment of a random segment: the frames in the middle of the clips "
    "before and after it, on lines to their times in the 2 s of sound around it (log-mel "
    "spectrogram; black: {meaning}). Between the two frames something should have changed, and the "
    "sound should say what."
)


def _open(places: Sequence[Place], workers: int) -> list[Opened]:
    results = with_progress(run_local(open_segment, places, workers), len(places), "open")
    return sorted(results, key=lambda one: one.place.number)


def _look(opened: Sequence[Opened], most: int, seed: int, config: Config) -> Iterator[Shown]:
    """A close look at the first segments of the draw that have a moment, if any of it has."""
    whole = [one for one in opened if one.record is not None]
    with_moments = [one for one in whole if one.record and one.record.moments]
    for one in (with_moments or whole)[:most]:
        try:
            yield show_segment(one.place, seed, config)
        except SampleError as error:
            name_skipped([Skipped(one.place.key, str(error))], "segments")


def _strip(one: Shown, unit: str) -> Strip:
    return Strip(one.closeup, one.prominence, one.curve, unit, width_inches=NARROW_INCHES)


def _unit(index: DatasetIndex) -> str:
    """Of the prominences, short; of several detectors all; empty where the root does not say."""
    return index.header.origins.get(PROMINENCES, "")


def _card(one: Shown, strip: Strip, picture: Picture) -> str:
    record, seconds = one.record, one.closeup.seconds
    heading = f"{record.video_id}, t = {record.start_seconds + seconds:.2f} s"
    if one.what != "moment":
        heading += f" ({one.what})"
    samples = one.closeup.samples
    return page.card(
        heading,
        labels_at(record.actions, seconds),
        jpeg(picture),
        wav(samples, LOG_MEL.sample_rate_hz) if len(samples) else None,
        strip.sound_edges,
        note=one.closeup.problem,
    )


def _overview(index: DatasetIndex, opened: Sequence[Opened]) -> Picture:
    minutes, a_minute = _videos(index)
    records = [one.record for one in opened if one.record is not None]
    powers = [one.power for one in opened if one.power is not None]
    loud = [loudness_db(power) for power in powers if power > 0]
    silent, mute = len(powers) - len(loud), len(records) - len(powers)
    notes = [f"{silent} silent"] * bool(silent) + [f"{mute} without sound"] * bool(mute)
    prominences = [m.prominence for r in records for m in r.moments if m.prominence is not None]
    actions = [action for record in records for action in record.actions]
    histograms = [
        Histogram("moments", "moments a minute", "videos", a_minute),
        Histogram("length of videos", "minutes", "videos", minutes),
        Histogram("length of segments", "seconds", "segments",
                  index.column("duration_seconds").tolist()),
        Histogram("size of segments", "MB", "segments", (index.column("size") / 1e6).tolist()),
        Histogram("loudness *", "r.m.s., dB re full scale", "segments", loud,
                  ", ".join(notes)),
        Histogram("prominence of moments *", ", ".join(filter(None, ("prominence", _unit(index)))),
                  "moments", prominences),
    ]  # fmt: skip
    counts = [
        Counts("verbs *", Counter(action.verb for action in actions)),
        Counts("nouns *", Counter(action.noun for action in actions)),
    ]
    title = f"{_headline(index)}   (* of {len(records)} random segments)"
    return distributions_picture(title, histograms, counts if actions else [])


def _videos(index: DatasetIndex) -> tuple[list[float], list[float]]:
    """(minutes, moments a minute) of each video: from its first stored segment to its last."""
    ids, video = np.unique(index.column("video_id").astype(str), return_inverse=True)
    start = index.column("start_seconds")
    first, last = np.full(len(ids), np.inf), np.zeros(len(ids))
    np.minimum.at(first, video, start)
    np.maximum.at(last, video, start + index.column("duration_seconds"))
    moments = np.bincount(video, weights=index.column("num_moments"), minlength=len(ids))
    minutes = np.maximum(last - first, 1e-9) / 60
    return minutes.tolist(), (moments / minutes).tolist()


def _headline(index: DatasetIndex) -> str:
    minutes, _ = _videos(index)
    header, total = index.header, max(sum(minutes), 1e-9)
    return (
        f"{header.num_moments} moments in {clock(60 * total)} of {len(minutes)} videos, "
        f"{header.num_moments / total:.1f} a minute"
    )


def _drawn_from(index: DatasetIndex, opened: Sequence[Opened]) -> str:
    return (
        f"* of {len(opened)} segments drawn at random from {index.header.num_samples}; the rest is "
        "of all. Red lines: medians. A video's length is that of what is stored of it."
    )


def _damaged(skipped: Sequence[Skipped], opened: Sequence[Opened]) -> str:
    rows = [(one.name, one.reason) for one in skipped]
    return page.section(f"{len(skipped)} of {len(opened)} segments are damaged", page.table(rows))


def _facts(index: DatasetIndex) -> Iterator[tuple[str, object]]:
    header = index.header
    yield "root", without_secrets(index.root)
    yield "segments, shards", f"{header.num_samples}, {len(index.shard_urls)}"
    yield "bytes", f"{sum(index.shard_sizes) / 1e6:.1f} MB"
    stored = float(index.column("duration_seconds").sum())
    yield "stored, margins included", clock(stored)
    yield "segments without sound", int((~index.column("has_audio")).sum())
    yield "segments without a moment", int((index.column("num_moments") == 0).sum())
    yield "moments", header.origins.get("moments", "of unknown origin")
    yield "labelled actions", header.num_actions
    yield "classes", f"{len(header.verbs)} verbs, {len(header.nouns)} nouns"
    yield "storage profile", header.profile
    yield "margin around moments", f"{header.margin_seconds:g} s"
    yield "schema version", header.schema_version
    yield "dataset hash", header.dataset_hash
