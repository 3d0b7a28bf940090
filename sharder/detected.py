"""What was found in each source, kept beside the output until that is written.

    OUTPUT.parts/lock         one detect at a time on OUTPUT
    OUTPUT.parts/NAME.json    {key: what was found} of one source or a few

A key says which source, of which size, was heard by which detector with which settings: what
another command left is never taken for this one's.
"""

from __future__ import annotations

import hashlib
import json
import signal
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from queue import SimpleQueue
from typing import Any

from replai.core import storage
from replai.core.record import Moment
from sharder.detectors import Config
from sharder.sources import Source

LOCK_NAME = "lock"


@dataclass(frozen=True)
class Detected:
    """What was found in one source; `problem` is set where nothing could be."""

    source: Source
    heard_seconds: float
    moments: tuple[Moment, ...]
    problem: str = ""
    lost_packets: int = 0
    """Of its sound, that do not decode; silence was heard in their place."""
    lost_seconds: float = 0.0
    """How long they are, as far as they say so."""


def parts_folder(output: str) -> str:
    """Where what is found is kept until `output` is written."""
    return f"{output}.parts"


def key_of(source: Source, size: int, config: Config) -> str:
    """Says what was heard, and how: sha256 over all that the finding depends on."""
    description = json.dumps([asdict(source), size, asdict(config)])
    return hashlib.sha256(description.encode()).hexdigest()


def read_parts(folder: str, sources: dict[str, Source]) -> dict[str, Detected]:
    """What is kept in `folder` of `sources` (by key); a part torn by a power cut counts as none."""
    found: dict[str, Detected] = {}
    for url in _files(folder):
        if not url.endswith(".json"):
            continue
        try:
            stored = json.loads(storage.read_bytes(url))
            known = sources.keys() & stored.keys()
            found |= {key: _restored(sources[key], stored[key]) for key in known}
        except (ValueError, TypeError, LookupError, AttributeError):
            continue
    return found


def remove_parts(folder: str) -> None:
    """Takes away all that is kept in `folder`, and what a kill has left half written."""
    lock = f"/{LOCK_NAME}"
    storage.remove_files([url for url in _files(folder) if not url.endswith(lock)])


@contextmanager
def keeping(folder: str) -> Iterator[Callable[[str, Detected], None]]:
    """Yields what keeps a finding, under its key, in `folder`; all are there when this ends.

    They are written by a thread: what comes while it writes goes into its next part, so that a
    slow store makes fewer parts, not a slower run. Its errors are raised here.
    """
    waiting: SimpleQueue[tuple[str, Detected] | None] = SimpleQueue()
    with ThreadPoolExecutor(1, initializer=_leave_ctrl_c_to_others) as pool:
        writing = pool.submit(_write_parts, waiting, folder)

        def keep(key: str, found: Detected) -> None:
            if writing.done():
                writing.result()
            waiting.put((key, found))

        try:
            yield keep
        finally:
            waiting.put(None)
            writing.result()


def _leave_ctrl_c_to_others() -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})


def _write_parts(waiting: SimpleQueue[tuple[str, Detected] | None], folder: str) -> None:
    """Writes what is `waiting`, up to the first None."""
    ended = False
    while not ended:
        batch = [waiting.get()]
        while not waiting.empty():
            batch.append(waiting.get())
        ended = None in batch
        part = {item[0]: _stored(item[1]) for item in batch if item is not None}
        if part:
            url = storage.join(folder, f"{uuid.uuid4().hex}.json")
            storage.write_bytes(url, json.dumps(part).encode())


def _stored(found: Detected) -> dict[str, Any]:
    return {
        "heard_seconds": found.heard_seconds,
        "moments": [[moment.seconds, moment.prominence] for moment in found.moments],
        "problem": found.problem,
        "lost_packets": found.lost_packets,
        "lost_seconds": found.lost_seconds,
    }


def _restored(source: Source, stored: dict[str, Any]) -> Detected:
    moments = tuple(Moment(seconds=time, prominence=rise) for time, rise in stored["moments"])
    return Detected(
        source,
        stored["heard_seconds"],
        moments,
        stored["problem"],
        lost_packets=stored["lost_packets"],
        lost_seconds=stored["lost_seconds"],
    )


def _files(folder: str) -> list[str]:
    return storage.list_files(folder) if storage.is_folder(folder) else []
