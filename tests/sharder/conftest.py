"""Small videos with sounds at known times, and the command `sharder` run in this process."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.replai.media.synthetic import Recipe, encoded
from tests.sharder.command import Outcome, in_this_process

CHIRPS = (1.5, 3.0, 4.5, 6.0)
RECIPE = Recipe(
    width=64, height=48, fps=10, num_frames=80, gop=10, b_frames=2, audio_seconds=8.0,
    audio_rate_hz=16000, audio_channels=1, chirp_seconds=CHIRPS,
)  # fmt: skip
LENGTHS = {"a": 80, "b": 60, "c": 40}

Run = Callable[..., Outcome]


@pytest.fixture
def short_folder() -> Iterator[Path]:
    """A temporary folder for a command: the paths of its sockets may have 107 letters."""
    with tempfile.TemporaryDirectory(prefix="t") as folder:
        yield Path(folder)


@pytest.fixture(scope="session")
def media() -> dict[str, bytes]:
    """Name → bytes: a chirping video, one without sound, one that is silent, a sound file."""
    silent = replace(RECIPE, num_frames=20, audio_seconds=2.0, chirp_seconds=())
    return {
        "chirping": encoded(RECIPE),
        "no_sound": encoded(replace(RECIPE, num_frames=20, audio_codec=None)),
        "silent": encoded(silent),
        "sound": encoded(replace(RECIPE, num_frames=0)),
    }


@pytest.fixture(scope="session")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of three chirping videos, 8, 6 and 4 s long. Read it, never write to it."""
    folder = tmp_path_factory.mktemp("videos")
    for name, num_frames in LENGTHS.items():
        recipe = replace(RECIPE, num_frames=num_frames, audio_seconds=num_frames / 10)
        (folder / f"{name}.mp4").write_bytes(encoded(recipe))
    return folder


@pytest.fixture(scope="session")
def moments(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The true moments of `videos` as CSV."""
    path = tmp_path_factory.mktemp("moments") / "moments.csv"
    rows = [f"{name},{s}" for name, n in LENGTHS.items() for s in CHIRPS if s < n / 10]
    path.write_text("\n".join(["video_id,seconds", *rows]) + "\n")
    return path


@pytest.fixture
def run() -> Run:
    """Runs `sharder ARGUMENTS` in this process."""
    return in_this_process
