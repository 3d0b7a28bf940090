"""`sharder detect`: sources → moments.parquet."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial

from replai.core import storage
from replai.core.errors import SampleError, UserError
from replai.core.record import Moment
from replai.media.audio import audio_blocks
from replai.media.container import MediaFile
from sharder.detectors import Config, detector_of
from sharder.engine import run_local
from sharder.report import Skipped, console, name_skipped, with_progress
from sharder.sources import Source, facts_of
from sharder.timestamps import job_of, write_moments


@dataclass(frozen=True)
class Detected:
    """What was found in one source; `problem` is set where nothing could be."""

    source: Source
    duration_seconds: float
    moments: tuple[Moment, ...]
    problem: str = ""


def detect(
    sources: Sequence[Source], output: str, config: Config, workers: int, overwrite: bool
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
    results = with_progress(run_local(work, sources, workers), len(sources), "detect")
    found = sorted(results, key=lambda detected: detected.source.video_id)
    _refuse_nothing(found)
    name_skipped([Skipped(d.source.url, d.problem) for d in found if d.problem], "sources")
    write_moments(output, {d.source.video_id: d.moments for d in found if d.moments}, job)
    _summarise(found, output)


def detect_in_source(source: Source, config: Config) -> Detected:
    """The moments of one source. A file that is no media is an error if the user named it."""
    try:
        facts = facts_of(source)
        if facts.audio is None:
            return Detected(source, facts.duration_seconds, (), "no sound")
        with storage.open_input(source.url) as file:
            moments = _moments(file, facts.audio.sample_rate_hz, config)
        return Detected(source, facts.duration_seconds, tuple(moments))
    except SampleError as error:
        if source.named:
            raise UserError(f"{source.url} is no video or sound file: {error}") from None
        return Detected(source, 0.0, (), f"unreadable: {error}")


def _moments(file: MediaFile, native_rate_hz: int, config: Config) -> list[Moment]:
    detector = detector_of(config, native_rate_hz)
    return detector.moments(detector.curve(audio_blocks(file, detector.sample_rate_hz)))


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
    minutes = sum(detected.duration_seconds for detected in found) / 60
    console.print(
        f"{moments} moments in {minutes / 60:.2f} h of {len(found)} sources "
        f"({moments / max(minutes, 1e-9):.1f} a minute) → {output}"
    )
