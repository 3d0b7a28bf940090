"""`sharder detect`: sources → moments.parquet.

What was found in each source is kept beside the output until that is written (detected.py): a
rerun of the same command continues where the last one stopped.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import partial

import numpy as np
from numpy.typing import NDArray

from replai.core import storage
from replai.core.errors import SampleError, UserError
from replai.media.audio import Lost, NoSoundError, sound_blocks
from replai.media.container import open_media
from sharder.detected import (
    LOCK_NAME,
    Detected,
    keeping,
    key_of,
    parts_folder,
    read_parts,
    remove_parts,
)
from sharder.detectors import Config, detector_of, terms_of
from sharder.engine import Engine
from sharder.lock import only_one
from sharder.report import Skipped, console, name_first, name_skipped, with_progress
from sharder.sources import Source, available, opened
from sharder.timestamps import job_of, write_moments


def detect(
    sources: Sequence[Source], output: str, config: Config, engine: Engine, overwrite: bool
) -> None:
    """Writes the moments of all `sources` to `output` (Parquet), or continues to.

    Sources without sound, and unreadable ones found in a folder, are counted and named. Raises
    UserError, without `output`, if that is there already from another job or is being made by
    another process, if a source named by the user is no media, and if no moment is found
    anywhere.
    """
    sizes = available(sources)
    job, parts = _job(sizes, config), parts_folder(output)
    alone = partial(only_one, output, storage.join(parts, LOCK_NAME), "detect")
    if not overwrite and _is_done(output, job):
        if storage.is_folder(parts):  # as one that was killed at its very end leaves it
            with alone():
                remove_parts(parts)
        console.print(f"{output} is already there, from the same sources; nothing to do")
        return
    keys = {key_of(source, size, config): source for source, size in sizes.items()}
    with alone() as check_lock:
        if not overwrite and _is_done(output, job):
            console.print(f"{output} was finished meanwhile, from the same sources")
            return
        found = _all_found(keys, parts, config, engine, check_lock)
        check_lock()
        if any(detected.moments for detected in found):
            _write(output, found, job, config)
        remove_parts(parts)
    _refuse_nothing(found)
    name_skipped([Skipped(d.source.url, d.problem) for d in found if d.problem], "sources")
    _name_lost(found)
    _summarise(found, output)


def _is_done(output: str, job: str) -> bool:
    """Whether `job` has written `output`. Raises UserError if another one has."""
    if not storage.exists(output):
        return False
    if job_of(output) != job:
        raise UserError(f"{output} exists; give another -o, or --overwrite")
    return True


def _all_found(
    keys: dict[str, Source],
    parts: str,
    config: Config,
    engine: Engine,
    check_lock: Callable[[], None],
) -> list[Detected]:
    """What is in each source, by video id; what an earlier run has kept is not heard again."""
    found = read_parts(parts, keys)
    if found:
        console.print(f"{len(found)} of {len(keys)} sources are already heard")
    todo = [(key, source) for key, source in keys.items() if key not in found]
    work = partial(_detect_one, config=config)
    heard = with_progress(engine.map(work, todo), len(todo), "detect") if todo else ()
    with keeping(parts) as keep:
        for key, detected in heard:
            check_lock()
            keep(key, detected)
            found[key] = detected
    return sorted(found.values(), key=lambda detected: detected.source.video_id)


def _detect_one(task: tuple[str, Source], config: Config) -> tuple[str, Detected]:
    key, source = task
    return key, detect_in_source(source, config)


def detect_in_source(source: Source, config: Config) -> Detected:
    """The moments of one source. A file that is no media is an error if the user named it."""
    try:
        return _listened_to(source, config)
    except SampleError as error:
        if source.named:
            raise UserError(f"{source.url} is no video or sound file: {error}") from None
        return Detected(source, 0.0, (), f"unreadable: {error}")


def _listened_to(source: Source, config: Config) -> Detected:
    with opened(source) as file, open_media(file) as media:
        if media.audio is None:
            if media.video is None:
                raise SampleError("has neither a video nor an audio stream")
            return Detected(source, 0.0, (), "no sound")
        detector = detector_of(config, media.audio.sample_rate)
        num_samples, lost = 0, Lost()

        def blocks() -> Iterator[NDArray[np.float32]]:
            nonlocal num_samples
            for block in sound_blocks(media, detector.sample_rate_hz, lost):
                num_samples += len(block)
                yield block

        try:
            moments = detector.moments(detector.curve(blocks()))
        except NoSoundError:
            if media.video is None:
                raise
            return Detected(source, 0.0, (), "no sound")
        return Detected(
            source,
            num_samples / detector.sample_rate_hz,
            tuple(moments),
            lost_packets=lost.packets,
            lost_seconds=lost.seconds,
        )


def _write(output: str, found: Sequence[Detected], job: str, config: Config) -> None:
    moments = {detected.source.video_id: detected.moments for detected in found if detected.moments}
    write_moments(output, moments, job, repr(config), terms_of(config).short_unit)


def _job(sizes: Mapping[Source, int], config: Config) -> str:
    files = [(one.video_id, one.url, size) for one, size in sizes.items()]
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


def _name_lost(found: Sequence[Detected]) -> None:
    """Counts the sources whose sound is damaged, and names the first with what was lost."""
    lost = [
        Skipped(d.source.url, f"{d.lost_packets} packets, {d.lost_seconds:.2f} s")
        for d in found
        if d.lost_packets
    ]
    packets, seconds = sum(d.lost_packets for d in found), sum(d.lost_seconds for d in found)
    name_first(
        lost,
        f"{packets} packets of sound ({seconds:.2f} s) of {len(lost)} sources do not decode; "
        "silence was heard there:",
    )


def _summarise(found: Sequence[Detected], output: str) -> None:
    moments = sum(len(detected.moments) for detected in found)
    minutes = sum(detected.heard_seconds for detected in found) / 60
    console.print(
        f"{moments} moments in {minutes / 60:.2f} h of {len(found)} sources "
        f"({moments / max(minutes, 1e-9):.1f} a minute) → {output}"
    )
