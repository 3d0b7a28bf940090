"""A bad sample never breaks a batch: a spare takes its place, itself a function of the place.

In a probe, where each item is to come exactly once, nothing may stand in for another: the row is
left empty and marked as not valid.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from replai.core.errors import UserError
from replai.core.seeding import generator
from replai.core.urls import without_secrets
from replai.stream.decode import DecodeConfig, Decoded
from replai.stream.fetch import Failed
from replai.stream.plan import Place
from replai.stream.quarantine import BadSample
from replai.stream.reader import RangeReader
from replai.views import AudioView


@dataclass(frozen=True)
class Filled:
    """A visit for a place of the order, and the samples that failed there before it."""

    visit: Decoded
    bad: tuple[BadSample, ...] = ()


def fill_with_spares(
    visits: Iterator[Decoded | Failed],
    load: Callable[[Place], Decoded | Failed],
    reader: RangeReader,
    num_items: int,
    seed: int,
    most_in_a_row: int,
) -> Iterator[Filled]:
    """Replaces each failed visit by that of its first spare that can be had.

    Raises UserError if `most_in_a_row` samples fail for one place.
    """
    for visit in visits:
        bad: list[BadSample] = []
        while isinstance(visit, Failed):
            bad.append(bad_sample(visit, reader))
            if len(bad) >= most_in_a_row:
                raise UserError(
                    f"{len(bad)} bad samples in a row, the first {bad[0].key}: {bad[0].reason}; "
                    "mend the data or raise bad_samples.max_in_a_row"
                )
            spare = spare_item(seed, visit.place, len(bad), num_items)
            visit = load(replace(visit.place, item=spare))
        yield Filled(visit, tuple(bad))


def fill_with_blanks(
    visits: Iterator[Decoded | Failed], reader: RangeReader, config: DecodeConfig
) -> Iterator[Filled]:
    """Replaces each failed visit by zeros that are not valid.

    Places that only pad the last batch repeat the last item; there it is not counted again.
    """
    for visit in visits:
        if isinstance(visit, Failed):
            bad = (bad_sample(visit, reader),) if visit.place.valid else ()
            yield Filled(blank(visit, reader, config), bad)
        else:
            yield Filled(visit)


def spare_item(seed: int, place: Place, attempt: int, num_items: int) -> int:
    """The item that takes the place of a bad one, at the given attempt (from 1)."""
    draw = generator(seed, place.epoch, place.position, f"spare {attempt}")
    return int(draw.integers(num_items))


def bad_sample(failed: Failed, reader: RangeReader) -> BadSample:
    """How the quarantine knows a failure."""
    place, row = failed.place, failed.row
    return BadSample(
        place.epoch,
        place.batch,
        place.position,
        reader.stored.key(row),
        without_secrets(reader.stored.shard_url(row)),
        without_secrets(failed.reason),
    )


def blank(failed: Failed, reader: RangeReader, config: DecodeConfig) -> Decoded:
    """A visit of the right shape that holds nothing."""
    k, side = config.sampling.per_visit, config.crop.size_pixels
    views = {
        view.name: np.zeros((k, 1, view.num_samples), np.float32)
        if isinstance(view, AudioView)
        else np.zeros((k, 3, view.num_frames, side, side), np.uint8)
        for view in config.views
    }
    return Decoded(
        place=replace(failed.place, valid=False),
        key=reader.stored.key(failed.row),
        video_id="",
        seconds=np.zeros(k),
        views=views,
        audio_coverage=0.0,
        labels=(-1, -1),
    )
