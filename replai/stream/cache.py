"""Samples kept on a local disk: bounded, shared by all processes and jobs of a machine.

FOLDER/DATASET_HASH/SHARD-OFFSET-SIZE    the bytes of one sample, renamed into place when whole
FOLDER/DATASET_HASH/.NAME.RANDOM.tmp     one that is being written
FOLDER/DATASET_HASH/.used                its mtime: when the dataset was last in use
FOLDER/.usage                            bytes of all samples, as all processes count together
FOLDER/.sweep                            locked by the one process that removes files
FOLDER/.full                             its mtime: when a sweep last found nothing to remove, its
                                         text: for which limit

    put ─► .full of late? ─► add to .usage ─► above the limit? ─► sweep: is there room? ─► write
                 └────────────────────────────────────────────────────────┴─ no: it is not kept

- What is kept stays as long as its dataset is in use; what finds no room is not kept. Each epoch
  has a random order, in which the samples used longest ago are those still to come: a cache for
  half of the dataset that made room by removing these would serve 14% of the reads. So it serves
  half of them, and does not write the others again and again.
- A dataset that no job has read here for `IDLE_SECONDS` makes room for others, as needed.
- Bytes are counted before they are written, so the folder holds no more than the limit, but for
  what was being written while it was swept: at most a sample for each thread that writes.
- A sample is read whole from one open file, which POSIX keeps until it is closed: removing its
  name hurts no reader. One being written is left alone, unless its writer has been silent for
  `IDLE_SECONDS` and so was killed.
- Nothing is synced: what a power cut tears is found by its crc32, as any damage is.
- The folder may hold other things: only names of the kinds above are counted and removed.

Why our own: diskcache, the one bounded cache for many processes, unpickles what it finds, has an
open CVE for it and no release since 2023; the caches of fsspec and webdataset keep whole shards.
"""

from __future__ import annotations

import contextlib
import fcntl
import math
import os
import re
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from replai.core import storage
from replai.core.errors import UserError
from replai.core.index import DatasetIndex
from replai.core.urls import without_secrets

SWEPT_SHARE = 0.9
"""Of the limit: what a sweep leaves, where it removes, so that the next one is not due at once."""
IDLE_SECONDS = 600.0
"""A dataset not read for so long is out of use; a writer silent for so long is dead; a cache full
so long ago may have room by now.
"""
NOTED_SECONDS = 60.0
"""How exactly the use of a dataset is noted."""
USAGE_NAME, SWEEP_NAME, FULL_NAME, USED_NAME = ".usage", ".sweep", ".full", ".used"

_UNKNOWN_BYTES = 1 << 62  # a lost count is taken for a full folder: the next sweep counts anew
_COUNT_DIGITS = 20
_DATASET = re.compile(r"[0-9a-f]{64}")
_SAMPLE = re.compile(r"\d+-\d+-\d+")
_TEMPORARY = re.compile(r"\.\d+-\d+-\d+\.[0-9a-f]+\.tmp")


@dataclass(frozen=True, kw_only=True)
class CacheConfig:
    """A disk cache of samples from a remote store; a dataset on this machine needs none."""

    folder: str = ""
    """Local folder, for any number of datasets and jobs. Empty: no cache."""
    gigabytes: float = 50.0
    """Most that the folder holds, in 10^9 bytes. Of jobs that share it, the smallest counts."""

    def __post_init__(self) -> None:
        if not (self.gigabytes > 0 and math.isfinite(self.gigabytes)):
            raise ValueError(f"gigabytes is {self.gigabytes}; it must be positive and finite")


def open_caches(config: CacheConfig, index: DatasetIndex) -> tuple[DiskCache, ...]:
    """The caches for the samples of each of the datasets of `index`; none where it is off or of no
    use. A dataset's samples are the same ones, whatever it is mixed with.

    Warns where the limit is below one sample. Raises UserError for a folder that cannot be made.
    """
    if not config.folder or all(map(storage.is_local, index.shard_urls)):
        return ()
    if not storage.is_local(config.folder):
        raise UserError(f"stream.cache.folder {config.folder} is not on this machine")
    folder, limit_bytes = storage.local_path(config.folder), int(config.gigabytes * 1e9)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"stream.cache.folder {folder} cannot be made: {error.strerror}") from None
    largest = int(index.column("size").max(initial=0))
    if largest > limit_bytes:
        warnings.warn(
            f"no disk cache: stream.cache.gigabytes={config.gigabytes:g} is less than one sample "
            f"of {without_secrets(index.root)} ({largest} bytes)",
            stacklevel=3,
        )
        return ()
    caches = tuple(DiskCache(folder, limit_bytes, part.dataset_hash) for part in index.parts)
    with contextlib.suppress(OSError):  # the first `put` will meet it, and tell
        caches[0].tidy()
    return caches


def sample_name(shard: int, offset: int, size: int) -> str:
    """The name that the sample at bytes [offset, offset + size) of a shard is kept under."""
    return f"{shard}-{offset}-{size}"


@dataclass(frozen=True)
class DiskCache:
    """One dataset's samples in a cache folder. All its state is on the disk."""

    folder: Path
    limit_bytes: int
    dataset_hash: str

    def path(self, name: str) -> Path:
        """Where the sample `name` is kept."""
        return self.folder / self.dataset_hash / name

    def get(self, name: str, size: int) -> bytes | None:
        """What is kept as `name`, at most `size` + 1 bytes of it; None where nothing is."""
        try:
            with self.path(name).open("rb") as file:
                data = file.read(size + 1)
        except OSError:
            return None
        with contextlib.suppress(OSError):  # another user's folder, a read-only disk
            self._note_use()
        return data

    def tidy(self) -> None:
        """Sweeps if the folder may hold too much: a new one, or one with a higher limit before. One
        that was full for a lower limit may have room.
        """
        if self._count(0) > self.limit_bytes:
            self._make_room(0)
        with contextlib.suppress(FileNotFoundError):
            limit = (self.folder / FULL_NAME).read_bytes()
            if not limit.isdigit() or int(limit) < self.limit_bytes:
                (self.folder / FULL_NAME).unlink()

    def drop(self, name: str) -> None:
        """Removes the damaged sample `name`, if that can be."""
        with contextlib.suppress(OSError):
            self.path(name).unlink(missing_ok=True)

    def put(self, name: str, data: bytes | memoryview) -> None:
        """Keeps `data` as `name`, whole or not at all, if there is or can be made room.

        Raises OSError where the disk is full or refuses.
        """
        path, size = self.path(name), len(data)
        if _is_recent(self.folder / FULL_NAME, IDLE_SECONDS) or path.exists():
            return  # it exists where another process has fetched it too
        path.parent.mkdir(parents=True, exist_ok=True)
        self._note_use()
        if self._count(size) > self.limit_bytes and not self._make_room(size):
            self._count(-size)
            return
        with contextlib.suppress(FileNotFoundError):  # somebody cleared the folder meanwhile
            storage.write_local_atomically(path, data, sync=False)

    def _note_use(self) -> None:
        """Notes that the dataset is in use, once a minute."""
        mark = self.path(USED_NAME)
        if not _is_recent(mark, NOTED_SECONDS):
            mark.touch()

    def _count(self, change: int) -> int:
        """Bytes kept and being written in the whole folder, after adding `change`.

        May be too many (a writer was killed, two kept the same sample): a sweep counts anew.
        """
        file = os.open(self.folder / USAGE_NAME, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
            text = os.pread(file, _COUNT_DIGITS, 0)
            count = max(0, (int(text) if text.isdigit() else _UNKNOWN_BYTES) + change)
            os.pwrite(file, str(count).zfill(_COUNT_DIGITS).encode(), 0)
            return count
        finally:
            os.close(file)

    def _make_room(self, size: int) -> bool:
        """Whether there is room for `size` bytes, already counted, after a sweep if need be."""
        with self._sweeping() as is_ours:
            if not is_ours:
                return False
            counted = self._count(0)
            if counted <= self.limit_bytes:
                return True  # another process has just swept
            kept = self._swept(size)
            if kept + size > self.limit_bytes:
                (self.folder / FULL_NAME).write_text(str(self.limit_bytes))
            return self._count(kept + size - counted) <= self.limit_bytes

    @contextlib.contextmanager
    def _sweeping(self) -> Iterator[bool]:
        """Holds the lock of sweeps, if it is free: gives whether."""
        file = os.open(self.folder / SWEEP_NAME, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            yield _is_locked(file)
        finally:
            os.close(file)

    def _swept(self, size: int) -> int:
        """Bytes left when room for `size` was looked for.

        If there was none, samples of datasets that are out of use went, the longest unused first;
        others only where there was more than the limit (it was a higher one before).
        """
        kept = sum(file_size for one in self._datasets() for _, file_size in _files(one))
        if kept + size <= self.limit_bytes:
            return kept
        with_room = min(int(SWEPT_SHARE * self.limit_bytes), self.limit_bytes - size)
        for dataset in sorted(self._datasets(), key=lambda one: _mtime(one / USED_NAME)):
            is_used = _is_recent(dataset / USED_NAME, IDLE_SECONDS)
            kept = _reduced(dataset, kept, self.limit_bytes if is_used else with_room)
        return kept

    def _datasets(self) -> Iterator[Path]:
        """Folders of all datasets; nothing else."""
        for path in self.folder.iterdir():
            if _DATASET.fullmatch(path.name) and not path.is_symlink():
                yield path


def _files(dataset: Path) -> Iterator[tuple[Path, int]]:
    """(path, size in bytes) of a dataset's samples, also of those being written, and of nothing
    else; removes what writers left.
    """
    for path in dataset.iterdir():
        is_temporary = _TEMPORARY.fullmatch(path.name)
        if is_temporary and not _is_recent(path, IDLE_SECONDS):
            path.unlink(missing_ok=True)
        elif is_temporary or _SAMPLE.fullmatch(path.name):
            with contextlib.suppress(FileNotFoundError):  # renamed or removed meanwhile
                yield path, path.lstat().st_size


def _reduced(dataset: Path, kept: int, goal: int) -> int:
    """`kept` bytes less those of the dataset's samples that went to reach `goal`."""
    if kept > goal:
        for path, file_size in _files(dataset):
            if _SAMPLE.fullmatch(path.name):
                path.unlink(missing_ok=True)
                kept -= file_size
            if kept <= goal:
                break
    return kept


def _is_recent(path: Path, seconds: float) -> bool:
    """Whether the file at `path` was written in the last `seconds`, by a clock that may be set."""
    return abs(time.time() - _mtime(path)) < seconds


def _mtime(path: Path) -> float:
    """Of the file at `path`, in seconds of the epoch; 0 where there is none."""
    try:
        return path.lstat().st_mtime
    except FileNotFoundError:
        return 0.0


def _is_locked(file: int) -> bool:
    """Whether the lock of the open `file` was free: then it is ours now, until `file` is closed."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    except BlockingIOError:
        return False
