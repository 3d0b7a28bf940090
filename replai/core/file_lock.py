"""A file that one process at a time holds, by a lock of the system's: it ends with the process,
however that ends."""

from __future__ import annotations

import fcntl
import os
import socket
from contextlib import suppress
from io import FileIO
from pathlib import Path

TRIES = 100
"""Of a file, or its folder, that others remove just as it is opened."""


class HeldError(Exception):
    """Another process holds the file; says which, if that has already said so."""


def hold(path: Path) -> FileIO:
    """The file at `path`, ours until it is closed; made, with its folder, where it is missing.

    Says in it who holds it. Raises HeldError if another process does, and OSError where the file
    cannot be made, or its file system knows no locks.
    """
    for tries_left in reversed(range(TRIES)):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            file = path.open("ab+", buffering=0)
        except (FileNotFoundError, FileExistsError):
            if not tries_left:
                raise
            continue  # its last owner has just removed the folder
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if is_at(file, path):
                file.truncate(0)
                file.write(owner().encode())
                return file
        except BlockingIOError:
            file.seek(0)
            other = file.read().decode(errors="replace").strip()
            file.close()
            raise HeldError(other) from None
        except BaseException:
            file.close()
            raise
        file.close()  # the file that its last owner has just removed
    raise HeldError


def is_at(file: FileIO, path: Path) -> bool:
    """Whether `path` is still the open `file`; it may have been removed, and made anew."""
    with suppress(FileNotFoundError):
        return os.fstat(file.fileno()).st_ino == path.stat().st_ino
    return False


def owner() -> str:
    """This process, to others."""
    return f"process {os.getpid()} on {socket.gethostname()}"
