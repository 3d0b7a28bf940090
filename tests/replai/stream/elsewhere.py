"""Streams with real workers in a process of its own.

Workers get their credentials by the environment of the fork server, and the tests' own one may be
older than the S3 server.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch.utils.data import get_worker_info

from replai.core.index import open_index
from replai.stream.collate import AVBatch
from replai.stream.loader import StreamConfig
from replai.views import AudioView
from tests.replai.stream.proxied import URL, VIEWS, make_stream

LONGEST_SECONDS = 60.0


@dataclass(frozen=True)
class Seen:
    """What a stream gave until it ended, and how that was."""

    batches: list[tuple[tuple[str, ...], int]]
    """Keys and crc32 of the views of each."""
    error: Exception | None
    num_bad: int
    spares: int
    retries: int
    children: int
    """Processes that were left."""


Run = Callable[..., Seen]


@dataclass(frozen=True, kw_only=True)
class BuggyView(AudioView):
    """A sound whose decoding meets a bug, in a worker."""

    bug: type[Exception]

    @property
    def num_samples(self) -> int:
        if get_worker_info() is not None:
            raise self.bug("a bug")
        return super().num_samples


def seen(
    config: StreamConfig, root: str = URL, path: Path | None = None, bug: type | None = None
) -> Seen:
    """One epoch from `root`; bad samples are written to `path`, `bug` is met in the workers."""
    sound: dict[str, Any] = {"name": "sound", "start_seconds": 0.0, "duration_seconds": 0.5}
    views = (VIEWS[0], BuggyView(bug=bug, **sound)) if bug else VIEWS
    stream = make_stream(config, path, index=open_index(root), views=views)
    batches, error = [], None
    try:
        for batch in stream:
            batches.append((batch.keys, _crc32(batch)))
    except Exception as met:
        error = met
    figures, left = stream.figures, len(multiprocessing.active_children())
    return Seen(batches, error, stream.quarantine.count, figures.spares, figures.retries, left)


def _crc32(batch: AVBatch) -> int:
    crc32 = 0
    for view in batch.views.values():
        crc32 = zlib.crc32(view.numpy().tobytes(), crc32)
    return crc32


@contextlib.contextmanager
def another_process() -> Iterator[Run]:
    """Runs `seen` in a fresh process, which has the present environment, for a `with` block."""
    before = set(multiprocessing.active_children())
    pool = ProcessPoolExecutor(1, multiprocessing.get_context("spawn"))

    def run(*args: Any, **settings: Any) -> Seen:
        try:
            return pool.submit(seen, *args, **settings).result(LONGEST_SECONDS)
        except TimeoutError:
            for process in set(multiprocessing.active_children()) - before:
                process.kill()
            raise

    try:
        yield run
    finally:
        pool.shutdown()
