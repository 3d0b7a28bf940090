"""One sample of a tar: its members, its record, its frames and sound."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import astuple
from math import ceil
from typing import Any

from replai.core.errors import SampleError
from replai.core.record import SCHEMA_VERSION, STATE_CHANGE, AudioFacts, SampleRecord
from replai.media.audio import SoundRequest
from replai.media.decode import read_views
from replai.media.probe import MediaFacts, probe
from replai.media.scale import Geometry
from replai.media.video import ClipRequest
from sharder.verify.faults import Kind
from sharder.verify.members import TarSample

KINDS = ["mp4", "json"]
LARGEST_BYTES = {"mp4": 1 << 29, "json": 1 << 24}
"""Larger members are not held in memory, and are faults."""

# Times are cut to a segment's ends, which are rounded to ticks.
_TICK_SECONDS = 1e-3
_WINDOW_SECONDS = 10.0
_MOST_WINDOWS = 360
_MOST_FPS = 240.0
_CORNER_PIXELS = 16

Complaint = tuple[Kind, str, str]
"""(kind, expected, found)."""


def record_of(sample: TarSample) -> tuple[SampleRecord | None, list[Complaint]]:
    """The record in `sample`, if it has one, and what is wrong with it and with the members."""
    if sample.kinds != KINDS:
        found = " and ".join(sample.kinds) or "nothing"
        return None, [(Kind.MEMBERS, " and ".join(KINDS), found)]
    data = sample.contents.get("json")
    if data is None:
        return None, [(Kind.RECORD, f"at most {LARGEST_BYTES['json']} bytes", "more")]
    try:
        record = SampleRecord.from_json(data)
        return record, [*_schema_complaints(record, data), *_time_complaints(record)]
    except (ValueError, AttributeError, RecursionError) as error:
        return None, [(Kind.RECORD, "the record of a sample", str(error))]


def _schema_complaints(record: SampleRecord, data: bytes) -> Iterator[Complaint]:
    """Fields that the record does not have, and values of another type than it gives them."""
    theirs, ours = _as_written_now(json.loads(data)), json.loads(record.to_json())
    for name in sorted({*theirs, *ours}):
        there, here = theirs.get(name), ours.get(name)
        if there != here:
            yield Kind.RECORD, f"{name} {json.dumps(here)}", json.dumps(there)


def _as_written_now(fields: dict[str, Any]) -> dict[str, Any]:
    """`fields` of a record of an older schema, as this one writes them."""
    if fields["schema_version"] != 1:
        return fields
    actions = [{**dict.fromkeys(STATE_CHANGE), **action} for action in fields["actions"]]
    return {**fields, "schema_version": SCHEMA_VERSION, "actions": actions}


def _time_complaints(record: SampleRecord) -> Iterator[Complaint]:
    """Times of moments and actions that lie outside the stored segment."""
    length = record.duration_seconds
    if length <= 0:
        yield Kind.RECORD, "a duration above 0", f"{length} s"
    for moment in record.moments:
        if not -_TICK_SECONDS <= moment.seconds <= length + _TICK_SECONDS:
            yield Kind.RECORD, f"moments in 0 to {length} s", f"one at {moment.seconds} s"
    for action in record.actions:
        start, stop = action.start_seconds, action.stop_seconds
        if not -_TICK_SECONDS <= start <= stop <= length + _TICK_SECONDS:
            yield Kind.RECORD, f"actions in 0 to {length} s", f"one at {start} to {stop} s"
        for name in STATE_CHANGE:
            time = getattr(action, name)
            if time is not None and not -_TICK_SECONDS <= time <= length + _TICK_SECONDS:
                yield Kind.RECORD, f"{name} in 0 to {length} s", f"{time} s"


def media_complaints(sample: TarSample, record: SampleRecord) -> Iterator[Complaint]:
    """What is wrong with the mp4 of `sample`: facts unlike the record's; what does not decode.

    Every frame and all of the sound are decoded, of an hour at most, as a header may say anything
    of the length; of a frame only a corner is kept.
    """
    media = sample.contents.get("mp4")
    if media is None:
        yield Kind.DECODE, f"at most {LARGEST_BYTES['mp4']} bytes", "more"
        return
    try:
        facts = probe(media)
        yield from _fact_complaints(facts, record)
        if facts.video is None:
            return
        num_windows = ceil(facts.duration_seconds / _WINDOW_SECONDS)
        for number in range(min(num_windows, _MOST_WINDOWS)):
            _decode_window(media, facts, number * _WINDOW_SECONDS)
    except SampleError as error:
        yield Kind.DECODE, "frames and sound that decode", str(error)


def _fact_complaints(facts: MediaFacts, record: SampleRecord) -> Iterator[Complaint]:
    """Where mp4 and record differ. Mean frame rate and length are left out: of uneven frames, a
    cut has others than the mp4's header states.
    """
    picture = facts.video and (facts.video.width, facts.video.height, facts.video.codec)
    sound = facts.audio or AudioFacts(sample_rate_hz=0, channels=0)
    said = record.video
    for what, expected, found in (
        ("video", picture, (said.width, said.height, said.codec)),
        ("sound", (sound.sample_rate_hz, sound.channels), astuple(record.audio)),
    ):
        if expected != found:
            yield Kind.RECORD, f"{what} {expected}, by the mp4", f"{found}"


def _decode_window(media: bytes, facts: MediaFacts, start_seconds: float) -> None:
    """Decodes all frames and sound from `start_seconds` on. Raises SampleError."""
    assert facts.video is not None
    length = min(_WINDOW_SECONDS, facts.duration_seconds - start_seconds)
    # Twice as many slots as frames, so that none is left out where frames come unevenly.
    fps = min(facts.video.fps or _MOST_FPS, _MOST_FPS)
    num_slots = max(1, ceil(2 * fps * length))
    corner = min(_CORNER_PIXELS, facts.video.width, facts.video.height)
    geometry = Geometry(0, 0, corner, corner, corner, corner, flip=False)
    sounds = []
    if facts.audio is not None and facts.audio.sample_rate_hz:
        rate_hz = facts.audio.sample_rate_hz
        sounds.append(SoundRequest(start_seconds, max(1, ceil(length * rate_hz)), rate_hz))
    read_views(media, [ClipRequest(start_seconds, length, num_slots, geometry)], sounds)
