"""A few segments of a dataset, opened: their records, how loud they are, one moment of some."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from zlib_ng.zlib_ng import crc32

from replai.core import storage
from replai.core.errors import SampleError
from replai.core.index import DatasetIndex
from replai.core.record import SampleRecord
from replai.core.seeding import generator
from replai.core.store_errors import naming_store_errors
from replai.media.audio import audio_blocks
from replai.media.container import open_media
from replai.media.probe import MediaFacts, probe
from sharder.detectors import Config, detector_of
from sharder.inspect.closeup import Closeup, read_closeup
from sharder.inspect.hearing import LOG_MEL, Curve, curve_of

BOX = 300
"""Frames are read to fit in a square of so many pixels."""


@dataclass(frozen=True)
class Place:
    """Where the bytes of one segment lie."""

    number: int
    """Its place in the draw, 0 first."""
    key: str
    url: str
    offset: int
    size: int
    crc32: int


@dataclass(frozen=True)
class Opened:
    """One segment. `problem` says why there is no record."""

    place: Place
    record: SampleRecord | None
    power: float | None
    """Mean square of its sound, full scale at 1; None where it has none."""
    problem: str = ""


@dataclass(frozen=True)
class Shown:
    """One random moment of a segment."""

    record: SampleRecord
    closeup: Closeup
    prominence: float | None
    curve: Curve | None
    what: str
    """A moment, or what stands in for one."""


def draw(index: DatasetIndex, most: int, seed: int) -> list[Place]:
    """`most` segments at random, or all; a pure function of the dataset and the seed."""
    rows = generator(seed, 0, 0, "inspect").permutation(index.table.num_rows)[:most]
    chosen = index.table.take(rows).to_pylist()
    return [
        Place(
            number=number,
            key=row["key"],
            url=index.shard_urls[row["shard"]],
            offset=row["offset"],
            size=row["size"],
            crc32=row["crc32"],
        )
        for number, row in enumerate(chosen)
    ]


def open_segment(place: Place) -> Opened:
    """The record of the segment, and how loud it is. UserError if its shard cannot be had."""
    try:
        record, media = read_segment(place)
        blocks = audio_blocks(media, LOG_MEL.sample_rate_hz)
        power = _power(blocks) if record.has_audio else None
        return Opened(place, record, power)
    except SampleError as error:
        return Opened(place, None, None, str(error))


def show_segment(place: Place, seed: int, config: Config) -> Shown:
    """A close look at one random moment of the segment, at an action where it has none.

    Raises SampleError if the segment is damaged.
    """
    record, media = read_segment(place)
    facts = probe(media)
    seconds, prominence, what = _chosen(record, facts, seed, place.number)
    curve = None
    if facts.audio is not None:
        detector = detector_of(config, facts.audio.sample_rate_hz)
        curve = curve_of(audio_blocks(media, detector.sample_rate_hz), detector)
    with open_media(media) as opened:
        closeup = read_closeup(opened, facts, seconds, 1, BOX)
    return Shown(record, closeup, prominence, curve, what)


def read_segment(place: Place) -> tuple[SampleRecord, bytes]:
    """The record and the encoded media of one segment, in one ranged read.

    Raises SampleError if the bytes are not those that were packed, and UserError if the store
    does not give them.
    """
    with naming_store_errors(place.url):
        data = storage.read_range(place.url, place.offset, place.size)
    if len(data) != place.size or crc32(data) != place.crc32:
        raise SampleError(f"its bytes in {place.url} are not those that were packed")
    try:
        with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as tar:
            members = {name.rpartition(".")[2]: _content(tar, name) for name in tar.getnames()}
        return SampleRecord.from_json(members["json"]), members["mp4"]
    except (tarfile.TarError, ValueError, KeyError) as error:
        raise SampleError(f"is not one sample: {error}") from error


def _content(tar: tarfile.TarFile, name: str) -> bytes:
    file = tar.extractfile(name)
    return file.read() if file else b""


def _power(blocks: Iterable[np.ndarray[tuple[int], np.dtype[np.float32]]]) -> float:
    total, count = 0.0, 0
    for block in blocks:
        total += float(np.square(block, dtype=np.float64).sum())
        count += len(block)
    return total / max(count, 1)


def _chosen(
    record: SampleRecord, facts: MediaFacts, seed: int, number: int
) -> tuple[float, float | None, str]:
    """(time on the segment's clock, prominence, what it is)."""
    rng = generator(seed, 0, number, "inspect")
    if record.moments:
        moment = record.moments[int(rng.integers(len(record.moments)))]
        return moment.seconds, moment.prominence, "moment"
    if record.actions:
        action = record.actions[int(rng.integers(len(record.actions)))]
        return (action.start_seconds + action.stop_seconds) / 2, None, "middle of an action"
    return facts.duration_seconds / 2, None, "middle of a segment"
