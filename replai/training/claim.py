"""One run at a time in a run's folder."""

from __future__ import annotations

import errno
import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from io import FileIO
from pathlib import Path

from replai.core import storage
from replai.core.errors import UserError
from replai.training.ranks import Ranks

LOCK_NAME = ".lock"
WAIT_SECONDS = 120.0
"""For one that is about to end, as a job that was requeued, and for what NFS keeps of a node that
died (90 s by default)."""
_NO_LOCKS = {errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS}
"""What file systems without locks say; there nothing is refused."""


@contextmanager
def claimed(folder: Path, ranks: Ranks) -> Iterator[None]:
    """Holds `folder` for the ranks of this run, however it ends; all begin once the first has it.

    Where nothing else was written, the folder goes with the claim. Raises UserError if another run
    holds it for longer than `WAIT_SECONDS`.
    """
    if not ranks.is_first:
        ranks.agree(LOCK_NAME)
        yield
        return
    with ExitStack() as stack:
        with storage.naming_store_errors(str(folder)):
            file = stack.enter_context(_locked(folder))
            stack.callback(_leave, file, folder)
            file.truncate(0)
            file.write(f"process {os.getpid()} on {os.uname().nodename}".encode())
        ranks.agree(LOCK_NAME)
        yield


def _leave(file: FileIO, folder: Path) -> None:
    with suppress(OSError):
        if _is_at(file, folder / LOCK_NAME):
            (folder / LOCK_NAME).unlink()
            folder.rmdir()


def _is_at(file: FileIO, path: Path) -> bool:
    """Whether `path` is still the open `file`, or was removed and perhaps made anew."""
    return path.exists() and os.fstat(file.fileno()).st_ino == path.stat().st_ino


def _locked(folder: Path) -> FileIO:
    """The lock file, held."""
    path, give_up_at, has_said = folder / LOCK_NAME, time.monotonic() + WAIT_SECONDS, False
    tries = 100
    while True:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            file = path.open("ab+", buffering=0)
        except (FileNotFoundError, FileExistsError):
            tries -= 1
            if not tries:
                raise
            continue  # its last owner has just removed the folder
        if _is_locked(file):
            with suppress(FileNotFoundError):
                if _is_at(file, path):
                    return file
            file.close()  # the file that its last owner has just removed
            continue
        file.seek(0)
        other = file.read().decode().strip() or "a process"
        file.close()
        if time.monotonic() > give_up_at:
            raise UserError(
                f"another run ({other}) writes to {folder}; wait for its end, or give another out; "
                f"if that process is gone, remove {path}"
            )
        if not has_said:
            print(f"waiting for another run ({other}) to leave {folder}", flush=True)
        has_said = True
        time.sleep(min(1.0, WAIT_SECONDS))


def _is_locked(file: FileIO) -> bool:
    """Whether `file` is ours now, or its file system knows no locks."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
    return True
