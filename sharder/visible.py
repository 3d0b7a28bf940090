"""A folder's files as its owner sees them: behind links too, without what is hidden."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Callable, Iterator
from pathlib import Path

from replai.core import storage


def list_visible(url: str, unreadable: Callable[[str, OSError], None]) -> list[str]:
    """URLs of the files below the folder `url` that are not hidden (`.name`), sorted.

    On this machine links to folders are followed, and folders that cannot be listed are told to
    `unreadable`. For what is to be read: what is below a link may be somebody else's.
    """
    if storage.is_local(url):
        return sorted(_visible_here(storage.filesystem(url)[1], unreadable))
    path = storage.filesystem(url)[1]
    return [one for one in storage.list_files(url) if not _is_hidden(one.partition(path)[2])]


def _visible_here(folder: str, unreadable: Callable[[str, OSError], None]) -> Iterator[str]:
    """Each folder is entered once: as itself, where it lies below, else by the first link to it."""

    def tell(error: OSError) -> None:
        if not isinstance(error, FileNotFoundError):  # gone meanwhile
            unreadable(str(error.filename), error)

    seen: set[tuple[int, int]] = set()
    starts = [folder]
    while starts:
        start, links = starts.pop(0), []
        for top, folders, names in os.walk(start, onerror=tell):
            folders[:] = sorted(name for name in folders if not _is_hidden(name))
            try:
                status = Path(top).stat()
            except OSError as error:
                tell(error)
                folders.clear()
                continue
            if (status.st_dev, status.st_ino) in seen:
                folders.clear()
                continue
            seen.add((status.st_dev, status.st_ino))
            paths = [posixpath.join(top, name) for name in folders]
            links += [path for path in paths if Path(path).is_symlink()]
            yield from (posixpath.join(top, name) for name in names if not _is_hidden(name))
        starts += links


def _is_hidden(path: str) -> bool:
    """As what was thrown away (.Trash-1000/), and what macOS adds to each file (._a.mp4)."""
    return any(part.startswith(".") for part in path.split("/"))
