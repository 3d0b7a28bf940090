"""Where the untrimmed videos are: files, folders and URLs → a list of sources."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence, Set
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from replai.core import storage
from replai.core.annotations.labels import file_name
from replai.core.errors import (
    CredentialsError,
    NotFoundError,
    RefusedError,
    SampleError,
    UserError,
)
from replai.core.store_errors import naming_store_errors
from replai.core.video_ids import VIDEO_EXTENSIONS, normal_id
from replai.media.probe import MediaFacts, probe
from sharder.report import Skipped, name_skipped
from sharder.visible import list_visible

ASKED_AT_ONCE = 16
_SAY_ALL_BY_HEAD = ("http://", "https://")  # and may send a whole file for one byte
AUDIO_EXTENSIONS = frozenset({".wav", ".flac", ".mp3", ".m4a", ".aac", ".ogg", ".opus"})


@dataclass(frozen=True)
class Source:
    """One untrimmed video (or sound file). `named` means that the user gave this very file."""

    video_id: str
    url: str
    named: bool


def find_sources(arguments: Sequence[str], *, with_audio_files: bool) -> list[Source]:
    """All media behind `arguments` (files, folders, URLs), sorted by video id.

    The video id is the file's name without its extension, as in EPIC-Kitchens and Ego4D. Of folders
    what is hidden (.name) is left out; what cannot be read is, too, and is named. A file and a link
    to it of one id are one source. Raises UserError for a path that does not exist, a folder
    without videos and two files of one id.
    """
    extensions = VIDEO_EXTENSIONS | (AUDIO_EXTENSIONS if with_audio_files else frozenset())
    sources: dict[str, Source] = {}
    for argument in arguments:
        for source in _sources_of(argument, extensions):
            other = sources.setdefault(source.video_id, source)
            if source.named:
                sources[source.video_id] = source
            if other.url != source.url and not _is_one_file(other.url, source.url):
                raise UserError(
                    f"two sources have the video id {source.video_id!r}: {other.url} and "
                    f"{source.url}; rename one"
                )
    return [sources[video_id] for video_id in sorted(sources)]


def only_named(sources: Sequence[Source], video_ids: Set[str]) -> list[Source]:
    """The sources of these ids. Raises UserError if there are none."""
    kept = [source for source in sources if source.video_id in video_ids]
    if not kept:
        there = f"there {min(video_ids)!r}, " if video_ids else ""
        raise UserError(
            f"the annotations name none of the sources ({there}here {sources[0].video_id!r})"
        )
    return kept


def facts_of(source: Source) -> MediaFacts:
    """What the headers of `source` say. Raises SampleError if it is no media."""
    with opened(source) as file:
        return probe(file)


@contextmanager
def opened(source: Source) -> Iterator[BinaryIO]:
    """The file of `source`, for the block that reads it. Raises SampleError if it is empty."""
    if storage.file_size(source.url) == 0:
        raise SampleError("the file is empty")
    with storage.reading(source.url) as file:
        yield file


def available(sources: Sequence[Source]) -> dict[Source, int]:
    """Bytes of each source; those that a store does not give are left out, counted and named.

    That is settled here, before anything is done: what fails later on may be a store, or a disk,
    that comes back, and stops the command. Raises UserError if one that the user named is not
    given, if none is, and if credentials are wrong or a store does not answer.
    """
    with ThreadPoolExecutor(ASKED_AT_ONCE) as pool:
        found = dict(zip(sources, pool.map(_size_or_refusal, sources), strict=True))
    refused = {one: why for one, why in found.items() if isinstance(why, UserError)}
    if len(refused) == len(found):
        raise next(iter(refused.values()))
    name_skipped([Skipped(one.url, str(why)) for one, why in refused.items()], "sources")
    return {one: size for one, size in found.items() if isinstance(size, int)}


def _size_or_refusal(source: Source) -> int | UserError:
    try:
        size = storage.file_size(source.url)
        says_all = source.url.startswith(_SAY_ALL_BY_HEAD) or storage.is_local(source.url)
        if size and not says_all:
            with naming_store_errors(source.url):
                storage.read_range(source.url, 0, 1)  # an archived object has a size, and no bytes
        return size
    except CredentialsError:
        raise
    except (NotFoundError, RefusedError) as error:
        if source.named or storage.is_local(source.url):
            raise
        return error


def _sources_of(argument: str, extensions: frozenset[str]) -> list[Source]:
    if storage.is_folder(argument):
        unlisted: list[Skipped] = []
        visible = list_visible(argument, lambda *why: unlisted.append(_unread(*why)))
        found = [url for url in visible if _extension(url) in extensions]
        name_skipped(unlisted, "folders")
        unreadable = list(_unreadable(found)) if storage.is_local(argument) else []
        name_skipped(unreadable, "files")
        left_out = {one.name for one in unreadable}
        urls = [url for url in found if url not in left_out]
        if not urls:
            raise UserError(f"no videos below {argument} (looked for {_listed(extensions)})")
        return [Source(_video_id(url), url, named=False) for url in urls]
    if not storage.exists(argument):
        raise UserError(f"no such file, folder or bucket: {argument}")
    # As a folder's listing has it, so that a file beside its folder is one source.
    url = storage.filesystem(argument)[1] if storage.is_local(argument) else argument
    return [Source(_video_id(url), url, named=True)]


def _unread(path: str, error: OSError) -> Skipped:
    return Skipped(path, error.strerror or type(error).__name__)


def _unreadable(paths: Sequence[str]) -> Iterator[Skipped]:
    """Those of the local paths that are no files or cannot be opened, with the reason."""
    for path in paths:
        try:
            if stat.S_ISREG(Path(path).stat().st_mode):
                Path(path).open("rb").close()
            else:
                yield Skipped(path, "no regular file")  # to open a named pipe waits for its writer
        except OSError as error:
            yield _unread(path, error)


def _is_one_file(one: str, other: str) -> bool:
    """Whether both lead to the same file of this machine, as links do."""
    if not all(map(storage.is_local, (one, other))):
        return False
    return storage.local_path(one).samefile(storage.local_path(other))


def _extension(url: str) -> str:
    return PurePosixPath(file_name(url)).suffix.lower()


def _video_id(url: str) -> str:
    stem = PurePosixPath(file_name(url)).stem  # of any bytes; what is no UTF-8 is written out: \xff
    return normal_id(os.fsencode(stem).decode(errors="backslashreplace"))


def _listed(extensions: frozenset[str]) -> str:
    return " ".join(sorted(extensions))
