"""One pack at a time on a root, one detect at a time on an output.

On this machine's disks a lock of the system's, which ends with its process, however that ends. On
other stores an object that only one can create, and whose owner changes it every few seconds: one
that stays as it is for half a minute belongs to a run that died, and is taken over.
"""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from io import FileIO
from pathlib import Path

from replai.core import storage
from replai.core.errors import UserError
from replai.core.file_lock import HeldError, hold, owner
from replai.core.store_errors import naming_store_errors
from sharder.part import PARTS_NAME
from sharder.report import console

LOCK_NAME = f"{PARTS_NAME}/lock"
BEAT_SECONDS = 5.0
DEAD_AFTER_SECONDS = 30.0


@contextmanager
def only_one(target: str, url: str = "", work: str = "pack") -> Iterator[Callable[[], None]]:
    """Holds the lock at `url` (of the root `target`, if not said) while `work` is done on `target`.

    Yields what raises UserError once the lock is lost to another. Raises UserError if another
    holds it.
    """
    url = url or storage.join(target, LOCK_NAME)
    if storage.is_local(target):
        with naming_store_errors(target):
            path = storage.local_path(url)
            missing = [folder for folder in path.parents if not folder.exists()]
            file = _locked(path, target, work)
        try:
            yield lambda: None
        finally:
            _remove(path, missing)
            file.close()
        return
    lease = Lease(target, url, work)
    lease.acquire()
    try:
        yield lease.check
    finally:
        lease.release()


def _locked(path: Path, target: str, work: str) -> FileIO:
    try:
        return hold(path)
    except HeldError as error:
        raise _taken(target, work, str(error)) from None


def _remove(path: Path, missing: Sequence[Path]) -> None:
    """Takes the lock file away, its folder, and those that were made for it, if they are empty."""
    with suppress(OSError):
        path.unlink()
        for folder in dict.fromkeys([path.parent, *missing]):
            folder.rmdir()


class Lease:
    """The lock at `url` on a store that knows no locks. Clocks of machines need not agree."""

    def __init__(self, target: str, url: str = "", work: str = "pack") -> None:
        self.target, self.url, self.work = target, url or storage.join(target, LOCK_NAME), work
        self._id, self._beats, self._lost = uuid.uuid4().hex, 0, False
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._beat_on, name="lease", daemon=True)

    def acquire(self) -> None:
        """Takes the lock, or takes it over from one that is dead. Raises UserError if it lives."""
        while not storage.create_bytes(self.url, self._content()):
            if self._wait_for_the_dead():
                storage.remove_files([self.url])
                if storage.create_bytes(self.url, self._content()):
                    time.sleep(BEAT_SECONDS)  # whoever also thought it dead shows up by then
                    self._lost = not self._is_ours()
                    self.check()
                    break
        self._thread.start()

    def check(self) -> None:
        """Raises UserError if the lock was lost."""
        if self._lost:
            raise UserError(f"another {self.work} has taken over {self.target}; this one stops")

    def release(self) -> None:
        """Gives the lock back."""
        self._done.set()
        self._thread.join()
        if not self._lost and self._is_ours():
            storage.remove_files([self.url])

    def _wait_for_the_dead(self) -> bool:
        """Whether the lock stays as it is; False if it is given back."""
        seen = _read(self.url)
        if seen is None:
            return False
        console.print(
            f"{self.target} is locked by {json.loads(seen)['owner']}; waiting "
            f"{DEAD_AFTER_SECONDS:g} s to see whether that is still at work"
        )
        until = time.monotonic() + DEAD_AFTER_SECONDS
        while time.monotonic() < until:
            time.sleep(DEAD_AFTER_SECONDS / 30)
            now = _read(self.url)
            if now is None:
                return False
            if now != seen:
                raise _taken(self.target, self.work, json.loads(now)["owner"])
        return True

    def _beat_on(self) -> None:
        while not self._done.wait(BEAT_SECONDS):
            with suppress(UserError):  # the store does not answer: the next beat tries again
                if not self._is_ours():
                    self._lost = True
                    return
                self._beats += 1
                storage.write_bytes(self.url, self._content())

    def _is_ours(self) -> bool:
        content = _read(self.url)
        return content is not None and json.loads(content)["id"] == self._id

    def _content(self) -> bytes:
        return json.dumps({"owner": owner(), "id": self._id, "beats": self._beats}).encode()


def _read(url: str) -> bytes | None:
    fs, path = storage.filesystem(url)
    with naming_store_errors(url):
        try:
            return bytes(fs.cat_file(path))
        except FileNotFoundError:
            return None


def _taken(target: str, work: str, owner: str) -> UserError:
    return UserError(
        f"another {work} is at work on {target} ({owner or 'just started'}); wait for it"
    )
