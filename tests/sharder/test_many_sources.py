"""Two thousand tiny videos, some of them empty, in folders and under names as people give them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from unicodedata import normalize

import pyarrow.parquet as pq
import pytest

from sharder.timestamps import read_moments
from tests.replai.media.synthetic import Recipe, encoded

TINY = Recipe(
    width=16, height=16, fps=10, num_frames=9, gop=10, audio_rate_hz=8000, audio_channels=1,
    audio_seconds=0.9, chirp_seconds=(0.4,),
)  # fmt: skip
FEW, MANY, EMPTY_EACH = 50, 2000, 50
NAMES = (
    "{}.mp4",
    "kitchen {} (copy).mp4",
    "v1.{}.final.mp4",
    "кухня № {}.MP4",
    "台所_{}.mov",
    "cuisinie\N{COMBINING GRAVE ACCENT}re {}.mp4",
    "100% #{}? [x] & 'y'.mp4",
    "🍳{}.m4v",
)
MOST_HANDLES = 64
MORE_MEGABYTES = 30
# As a user runs it, but that it may hold few files open, and tells its own peak at the end.
PROGRAM = """
import resource, sys
from pathlib import Path
resource.setrlimit(resource.RLIMIT_NOFILE, ({handles}, {handles}))
from sharder import cli
try:
    cli.main()
finally:
    print(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0])
"""


@dataclass(frozen=True)
class Told:
    """What one command said, and its peak of resident memory."""

    text: str
    megabytes: float


@dataclass(frozen=True)
class Made:
    """What became of a folder of so many files."""

    folder: Path
    ids: frozenset[str]
    """Of those that are not empty."""
    told: dict[str, Told]


def names(number: int) -> Iterator[tuple[str, bool]]:
    """(relative path, whether it is empty) of each file."""
    for i in range(number):
        yield f"day {i % 7}/{NAMES[i % len(NAMES)].format(i)}", i % EMPTY_EACH == EMPTY_EACH // 2


def ran(*arguments: str | Path) -> Told:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(handles=MOST_HANDLES), *map(str, arguments)],
        capture_output=True, text=True, check=False, timeout=280,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return Told(done.stderr, int(done.stdout) / 1000)


def made(folder: Path, number: int) -> Made:
    source, moments, root = folder / "in", folder / "moments.parquet", folder / "root"
    folder.mkdir()
    (folder / "one").write_bytes(encoded(TINY))
    for day in range(7):
        (source / f"day {day}").mkdir(parents=True)
    for name, is_empty in names(number):
        if is_empty:
            (source / name).touch()
        else:
            os.link(folder / "one", source / name)
    stems = {Path(name).stem for name, is_empty in names(number) if not is_empty}
    alone = ("--workers", "1")
    pack = ("--profile", "copy", "--margin-seconds", "0.2", *alone)
    told = {
        "detect": ran("detect", source, "-o", moments, *alone),
        "pack": ran("pack", source, "--moments", moments, "--out", root, *pack),
        "verify": ran("verify", root, *alone),
    }
    return Made(folder, frozenset(normalize("NFC", stem) for stem in stems), told)


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return made(tmp_path_factory.mktemp("tiny") / "few", FEW)


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return made(tmp_path_factory.mktemp("tiny") / "many", MANY)


def test_each_of_thousands_becomes_its_sample(many: Made) -> None:
    assert len(many.ids) == MANY - MANY // EMPTY_EACH
    found = read_moments(str(many.folder / "moments.parquet"))
    assert found.keys() == many.ids and {len(moments) for moments in found.values()} == {1}
    index = pq.read_table(many.folder / "root" / "index.parquet")
    assert sorted(index["video_id"].to_pylist()) == sorted(many.ids)
    assert set(index["num_moments"].to_pylist()) == {1}
    assert len(set(index["key"].to_pylist())) == len(many.ids)
    assert f" {len(many.ids)} samples in 4 shards" in many.told["pack"].text
    assert f"{len(many.ids)} samples (" in many.told["verify"].text
    assert many.told["verify"].text.strip().endswith("no faults")


@pytest.mark.parametrize("command", ["detect", "pack"])
def test_the_empty_ones_are_counted_and_the_first_named(command: str, many: Made) -> None:
    lines = many.told[command].text.splitlines()
    at = lines.index(f"skipped {MANY // EMPTY_EACH} sources:")
    assert all("the file is empty" in line for line in lines[at + 1 : at + 11])
    assert f"and {MANY // EMPTY_EACH - 10} more" in lines[at + 11]


@pytest.mark.parametrize("command", ["detect", "pack", "verify"])
def test_memory_hardly_grows_with_their_number(command: str, few: Made, many: Made) -> None:
    """Nor do open files: all of it was done with MOST_HANDLES."""
    assert many.told[command].megabytes < few.told[command].megabytes + MORE_MEGABYTES
