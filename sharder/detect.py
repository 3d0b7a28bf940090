"""`sharder detect`: sources → moments.parquet."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from replai.core import storage
from replai.core.errors import SampleError, UserError
from replai.core.record import Moment
from replai.media.audio import sound_blocks
from replai.media.container import open_media
from sharder.detectors import Config, detector_of
from sharder.engine import Engine
from sharder.report import Skipped, console, name_skipped, with_progress
from sharder.sources import Source
from sharder.timestamps import job_of, write_moments


@dataclass(frozen=True)
class Detected:
    """What was found in one source; `problem` is set where nothing could be."""

    source: Source
    heard_seconds: float
    moments: tuple[Moment, ...]
    problem: str = ""


def detect(
    sources: Sequence[Source], output: str, config: Config, engine: Engine, overwrite: bool
) -> None:
    """Writes the moments of all `sources` to `output` (Parquet).

    Sources without sound, and unreadable ones found in a folder, are counted and named. Raises
    UserError, having written nothing, if `output` is there already from another job, if a
    source named by the user is no media, and if no moment is found anywhere.
    """
    job = _job(sources, config)
    if storage.exists(output) and not overwrite:
        if job_of(output) == job:
            console.print(f"{output} is already there, from the same sources; nothing to do")
            return
        raise UserError(f"{output} exists; give another -o, or --overwrite")
    work = partial(detect_in_source, config=config)
    results = with_progress(engine.map(work, sources), len(sources), "detect")
    found = sorted(results, key=lambda detected: detected.source.video_id)
    _refuse_nothing(found)
    name_skipped([Skipped(d.source.url, d.problem) for d in found if d.problem], "sources")
    write_moments(output, {d.source.video_id: d.moments for d in found if d.moments}, job)
    _summarise(found, output)


def detect_in_source(source: Source, config: Config) -> Detected:
    """The moments of one source. A file that is no media is an error if the user named it."""
    try:
        return _listened_to(source, config)
    except SampleError as error:
        if source.named:
            raise UserError(f"{source.url} is no video or sound file: {error}") from None
        return Detected(source, 0.0, (), f"unreadable: {error}")


def _listened_to(source: Source, config: Config) -> Detected:
    if storage.file_size(source.url) == 0:
        raise SampleError("the file is empty")
    with storage.open_input(source.url) as file, open_media(file) as media:
        if media.audio is None:
            if media.video is None:
                raise SampleError("has neither a video nor an audio stream")
            return Detected(source, 0.0, (), "no sound")
        detector = detector_of(config, media.audio.sample_rate)
        num_samples = 0

        def blocks() -> Iterator[NDArray[np.float32]]:
            nonlocal num_samples
            for block in sound_blocks(media, detector.sample_rate_hz):
                num_samples += len(block)
                yield block

        moments = detector.moments(detector.curve(blocks()))
        return Detected(source, num_samples / detector.sample_rate_hz, tuple(moments))


def _job(sources: Sequence[Source], config: Config) -> str:
    files = [(source.video_id, source.url, storage.file_size(source.url)) for source in sources]
    return hashlib.sha256(json.dumps([files, asdict(config)]).encode()).hexdigest()


def _refuse_nothing(found: Sequence[Detected]) -> None:
    if any(detected.moments for detected in found):
        return
    if all(detected.problem for detected in found):
        first = found[0]
        raise UserError(
            f"none of {len(found)} sources has usable sound ({first.source.url}: {first.problem})"
        )
    raise UserError(
        f"no moment of interaction found in any of {len(found)} sources; "
        "lower --min-prominence, or bring timestamps of your own to `sharder pack`"
    )


def _summarise(found: Sequence[Detected], output: str) -> None:
    moments = sum(len(detected.moments) for detected in found)
    minutes = sum(detected.heard_seconds for detected in found) / 60
    console.print(
        f"{moments} moments in {minutes / 60:.2f} h of {len(found)} sources "
        f"({moments / max(minutes, 1e-9):.1f} a minute) → {output}"
    )
