"""`sharder inspect`: a source or a dataset root → a page, and a picture beside it."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import PurePosixPath

from replai.core import storage
from replai.core.annotations import Annotations, check, read_annotations
from replai.core.errors import RefusedError, UserError
from replai.core.index import HEADER_NAME, open_index
from replai.core.store_errors import naming_store_errors
from replai.core.urls import without_query
from sharder.bursts import BurstConfig
from sharder.detectors import Config
from sharder.inspect.dataset_page import dataset_pages
from sharder.inspect.ink import SOFTWARE
from sharder.inspect.looking import Given, look_at
from sharder.inspect.page import Pages
from sharder.inspect.video_page import video_pages
from sharder.job import JOB_NAME
from sharder.report import console
from sharder.sources import Source, find_sources
from sharder.timestamps import read_moments, unit_of

_SIGNED_BYTES = 4096
"""Our name stands within so many bytes of the start of what we write."""


@dataclass(frozen=True, kw_only=True)
class InspectConfig:
    """What is shown."""

    detector: Config = BurstConfig()  # noqa: RUF009 (frozen)
    """What finds a video's moments; its curve is drawn."""
    moments_shown: int = 12
    """Of a video, the most prominent; of a dataset, from as many random segments."""
    segments: int = 100
    """How many random segments of a dataset are opened."""
    seed: int = 0

    def __post_init__(self) -> None:
        if self.moments_shown < 1 or self.segments < 1:
            raise ValueError("--moments-shown and --segments are at least 1")
        if self.seed < 0:
            raise ValueError(f"seed is {self.seed}; at least 0")


def inspect(
    target: str, output: str, moments: str, annotations: str, config: InspectConfig, workers: int
) -> None:
    """Writes the page of `target`, a media file or a dataset root, and a PNG beside it.

    Raises UserError, having written nothing, for what is neither, for an `output` that somebody
    else made, and for moments or annotations that know nothing of the video.
    """
    picture = _picture_url(output)
    for url in (output, picture):
        _refuse_strangers_file(url)
    if _is_dataset(target):
        if moments or annotations:
            raise UserError(f"{target} is a dataset, which has moments and labels of its own")
        pages = _of_dataset(target, config, workers)
    else:
        pages = _of_video(target, moments, annotations, config)
    storage.write_bytes(picture, pages.png)
    storage.write_bytes(output, pages.html)
    console.print(f"{pages.summary} → {output}, {picture}")


def _of_video(target: str, moments: str, annotations: str, config: InspectConfig) -> Pages:
    source = _source(target)
    given = _given(source, moments, annotations)
    return video_pages(
        look_at(source, given, config.detector, config.moments_shown), config.detector
    )


def _of_dataset(target: str, config: InspectConfig, workers: int) -> Pages:
    return dataset_pages(
        open_index(target),
        config.detector,
        config.segments,
        config.moments_shown,
        config.seed,
        workers,
    )


def _source(target: str) -> Source:
    sources = find_sources([target], with_audio_files=True)
    if not sources[0].named:
        raise UserError(
            f"{target} is a folder of videos; give one of them, such as "
            f"{sources[0].url}, or a dataset root"
        )
    return sources[0]


def _is_dataset(target: str) -> bool:
    """Whether a pack has made, or is making, a dataset at `target`."""
    if without_query(target) != target:  # a server may give the video for any path behind it
        return False
    with suppress(RefusedError):  # as some web servers say of what is not there
        return any(storage.exists(storage.join(target, name)) for name in (HEADER_NAME, JOB_NAME))
    return False


def _given(source: Source, moments: str, annotations: str) -> Given:
    """What the user's files say of the video. One that knows other videos only is a mistake."""
    theirs = read_moments(moments) if moments else {}
    labels = read_annotations(annotations) if annotations else Annotations()
    for url, ids in ((moments, theirs.keys()), (annotations, labels.ids)):
        if url and source.video_id not in ids:
            there = f"it has {min(ids)!r}" if ids else "it has none"
            raise UserError(f"{url} says nothing of the video id {source.video_id!r} ({there})")
    return Given(
        tuple(theirs[source.video_id]) if moments else None,
        unit_of(moments) if moments else "",
        tuple(check(labels, {source.video_id}, labels.durations).actions.get(source.video_id, ())),
    )


def _picture_url(output: str) -> str:
    if PurePosixPath(output).suffix.lower() not in (".html", ".htm"):
        raise UserError(f"-o is {output!r}; give a name that ends in .html")
    return output.rpartition(".")[0] + ".png"


def _refuse_strangers_file(url: str) -> None:
    if not storage.exists(url):
        return
    with naming_store_errors(url):
        start = b"" if storage.is_folder(url) else storage.read_range(url, 0, _SIGNED_BYTES)
    if SOFTWARE.encode() not in start:
        raise UserError(f"{url} exists and is not of `{SOFTWARE}`; give another -o")
