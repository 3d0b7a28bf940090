"""A worker decodes on one thread: N workers on N cores must not fight for them."""

from __future__ import annotations

import threading
from pathlib import Path

import av
import pytest

from replai.media.audio import SoundRequest
from replai.media.decode import read_views
from replai.media.scale import Geometry
from replai.media.video import ClipRequest
from tests.replai.media.synthetic import Recipe, encoded

FILE = Recipe(width=512, height=288, num_frames=60)
WHOLE = Geometry(0, 0, 512, 288, 256, 256, False)


def names() -> set[str]:
    """Of this process's threads, as FFmpeg and others name theirs."""
    found = set()
    for task in Path("/proc/self/task").iterdir():
        try:
            found.add((task / "comm").read_text().strip())
        except (FileNotFoundError, ProcessLookupError):
            continue  # it has just ended
    return found


def seen_meanwhile(work: threading.Thread) -> set[str]:
    """Threads that are there now or then while `work` runs, and were not before."""
    before, found = names(), set()
    work.start()
    while work.is_alive():
        found |= names() - before
    work.join()
    return found


@pytest.fixture(scope="module")
def data() -> bytes:
    return encoded(FILE)


def test_decoding_starts_no_threads(data: bytes) -> None:
    def decode() -> None:
        for _ in range(5):
            read_views(data, [ClipRequest(0.2, 1.5, 24, WHOLE)], [SoundRequest(0.0, 32000, 16000)])

    assert not {n for n in seen_meanwhile(threading.Thread(target=decode)) if n.startswith("av:")}


def test_the_look_would_have_found_them(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "video.mp4"
    path.write_bytes(data)

    def decode() -> None:
        for _ in range(5):
            with av.open(path) as container:
                container.streams.video[0].codec_context.thread_count = 3
                container.streams.video[0].thread_type = "AUTO"
                for _ in container.decode(video=0):
                    pass

    assert {n for n in seen_meanwhile(threading.Thread(target=decode)) if n.startswith("av:")}
