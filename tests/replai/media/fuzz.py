"""Damaged media, a pure function of a number: python -m tests.replai.media.fuzz FIRST COUNT [N …]

Run as a command it decodes COUNT damaged files, and the further ones named, and says of each,
before and after, how it went: a parent that sees it crash or hang knows by which file.
"""

from __future__ import annotations

import contextlib
import io
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from replai.core.errors import SampleError
from replai.core.timeline import Span
from replai.media.audio import SoundRequest, audio_blocks
from replai.media.decode import read_views
from replai.media.probe import probe
from replai.media.scale import Geometry
from replai.media.video import ClipRequest
from sharder.encode import CopyProfile, Profile, TranscodeProfile, encode_file
from tests.replai.media.synthetic import Recipe, encoded

SMALL = Recipe(
    options=(("fflags", "+bitexact"),),  # nothing random in the headers
    width=64, height=48, fps=15, num_frames=30, gop=10, b_frames=2, noise=30,
    audio_rate_hz=16000, audio_channels=1, audio_seconds=2.0, chirp_seconds=(0.5, 1.5),
)  # fmt: skip
RECIPES = (
    SMALL,
    replace(SMALL, options=(*SMALL.options, ("movflags", "faststart")), video_start_seconds=-0.2),
    replace(
        SMALL,
        options=(*SMALL.options, ("movflags", "frag_keyframe+delay_moov")),
        audio_codec="libopus",
    ),
    replace(SMALL, container="matroska", audio_codec="flac"),
    replace(SMALL, container="avi", codec="mpeg4", audio_codec="pcm_s16le"),
    replace(SMALL, codec="libvpx-vp9", container="webm", audio_codec="libopus"),
    replace(SMALL, container="mpegts"),
    replace(SMALL, codec="libsvtav1", codec_options=(("preset", "12"),)),
)
SHARES = (0.3, 0.15, 0.15, 0.1, 0.1, 0.07, 0.07, 0.06)
CLIPS = (
    ClipRequest(0.3, 0.5, 8, Geometry(0, 0, 64, 48, 24, 32, False)),
    ClipRequest(0.9, 0.5, 4, Geometry(8, 6, 40, 40, 28, 28, True)),
)
SOUNDS = (SoundRequest(-0.2, 16000, 8000), SoundRequest(0.5, 16000, 16000))
EXTREMES = (0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0x00FFFFFF)
PROFILES: tuple[Profile, ...] = (CopyProfile(), TranscodeProfile(short_side=32, fps=10))
MOST_MEMORY_BYTES = 6 << 30

Bytes = NDArray[np.uint8]


def flipped(data: Bytes, draw: np.random.Generator) -> Bytes:
    """A few bits turned."""
    at = draw.integers(0, len(data), draw.integers(1, 20))
    data[at] ^= (1 << draw.integers(0, 8, len(at))).astype(np.uint8)
    return data


def flipped_in_headers(data: Bytes, draw: np.random.Generator) -> Bytes:
    """A few bytes anew near the start or the end, where the headers and tables are."""
    at = draw.integers(0, min(1500, len(data)), draw.integers(1, 8))
    data[at if draw.integers(2) else len(data) - 1 - at] = draw.integers(0, 256, len(at))
    return data


def with_extreme_fields(data: Bytes, draw: np.random.Generator) -> Bytes:
    """Big-endian 32-bit fields set to what breaks arithmetic."""
    for _ in range(draw.integers(1, 4)):
        back = int(draw.integers(4, min(3000, len(data))))
        at = len(data) - back if draw.integers(2) else back - 4
        value = EXTREMES[draw.integers(len(EXTREMES))]
        data[at : at + 4] = np.frombuffer(value.to_bytes(4, "big"), np.uint8)
    return data


def cut(data: Bytes, draw: np.random.Generator) -> Bytes:
    """The start alone."""
    return data[: draw.integers(0, len(data))]


def blanked(data: Bytes, draw: np.random.Generator) -> Bytes:
    """A stretch of zeros, as a hole in a file has them."""
    at, length = draw.integers(0, len(data)), draw.integers(1, 2000)
    data[at : at + length] = 0
    return data


def spliced(data: Bytes, draw: np.random.Generator) -> Bytes:
    """A stretch left out or repeated."""
    at, length = draw.integers(0, len(data)), draw.integers(1, 500)
    low = at + length if draw.integers(2) else at
    return (
        np.concatenate([data[:low], data[at:]])
        if low > at
        else np.delete(data, slice(at, at + length))
    )


DAMAGES: tuple[Callable[[Bytes, np.random.Generator], Bytes], ...] = (
    flipped, flipped_in_headers, with_extreme_fields, cut, blanked, spliced,
)  # fmt: skip


def damaged(sources: list[bytes], number: int) -> bytes:
    """The damaged file of that number."""
    draw = np.random.default_rng([20, number])
    data = np.frombuffer(sources[draw.choice(len(SHARES), p=SHARES)], np.uint8).copy()
    return DAMAGES[draw.integers(len(DAMAGES))](data, draw).tobytes()


def check_views(data: bytes) -> str:
    """ "views" if it decodes, to the right shapes, types and ranges; else "refused"."""
    try:
        views, sounds = read_views(data, CLIPS, SOUNDS)
    except SampleError as error:
        assert str(error) and "\n" not in str(error)
        return "refused"
    for clip, view in zip(CLIPS, views, strict=True):
        assert view.shape == clip.shape
        assert view.dtype == np.uint8
    for request, sound in zip(SOUNDS, sounds, strict=True):
        assert sound.samples.shape == (1, request.num_samples)
        assert sound.samples.dtype == np.float32
        assert np.abs(sound.samples).max() <= 1  # false for NaN, too
        assert 0 <= sound.coverage <= 1
    return "views"


def check_sharder(data: bytes, number: int) -> None:
    """Raises what is not SampleError where a source is probed, listened to and stored."""
    tries: list[Callable[[], object]] = [
        lambda: probe(data),
        lambda: sum(map(len, audio_blocks(data))),
        lambda: encode_file(PROFILES[number % 2], io.BytesIO(data), Span(0.5, 1.5)),
    ]
    for attempt in tries:
        with contextlib.suppress(SampleError):
            attempt()


def num_open_files() -> int:
    """Open file descriptors of this process; 0 where the system does not tell."""
    folder = Path("/proc/self/fd")
    return len(list(folder.iterdir())) if folder.exists() else 0


def main() -> None:
    """Entry point."""
    first, count, *further = map(int, sys.argv[1:])
    av.logging.set_level(None)
    sources = [encoded(recipe) for recipe in RECIPES]
    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY_BYTES, MOST_MEMORY_BYTES))
    open_before = num_open_files()
    for number in (*range(first, first + count), *further):
        print(number, end=" ", flush=True)
        data, started = damaged(sources, number), time.perf_counter()
        outcome = check_views(data)
        check_sharder(data, number)
        print(outcome, f"{time.perf_counter() - started:.3f}", flush=True)
    assert num_open_files() == open_before


if __name__ == "__main__":
    main()
