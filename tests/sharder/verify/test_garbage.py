"""Roots spoiled at random: faults are named, and nothing ends the reading."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import pytest

from replai.core.errors import UserError
from sharder.verify.faults import Fault
from sharder.verify.run import VerifyConfig, verify
from tests.sharder.verify.planting import FIRST, Planted

FILES = ("shards.json", "index.parquet", FIRST, f"{FIRST}.idx", ".nv-meta/.info.json",
         ".nv-meta/split.yaml")  # fmt: skip
ALWAYS_SEEN = {FIRST, f"{FIRST}.idx"}
"""Files of which no byte may change unseen."""
NUM_SPOILS = 12


def spoiled(data: bytes, draw: random.Random) -> bytes:
    """`data` with bits turned, or a piece of it cut, doubled, zeroed or made noise."""
    start = draw.randrange(len(data))
    length = min(draw.choice([1, 7, 512, 4096, len(data)]), len(data) - start)
    piece = data[start : start + length]
    new = draw.choice(
        [b"", bytes(length), draw.randbytes(length), piece * 2, piece[::-1],
         bytes([piece[0] ^ (1 << draw.randrange(8))]) + piece[1:]]
    )  # fmt: skip
    return data[:start] + new + data[start + length :]


def faults_of(root: Path) -> list[Fault] | None:
    """Its faults; None where it is of a newer schema."""
    try:
        return verify(str(root), VerifyConfig(decode_every=4), 1, "", "").faults
    except UserError as error:
        assert "newer" in str(error)
        return None


@pytest.mark.parametrize("name", FILES)
def test_nothing_crashes(clean: Path, tmp_path: Path, name: str) -> None:
    root = shutil.copytree(clean, tmp_path / "root")
    data = (root / name).read_bytes()
    for seed in range(NUM_SPOILS):
        bad = spoiled(data, random.Random(f"{name}/{seed}"))
        (root / name).write_bytes(bad)
        faults = faults_of(root)
        assert faults or name not in ALWAYS_SEEN or bad == data, (name, seed)
        for fault in faults or []:
            assert str(fault).isprintable()


def test_nothing_crashes_where_the_sums_agree(clean: Path, tmp_path: Path) -> None:
    """Damage inside the tar alone, with every sum made anew."""
    planted = Planted(shutil.copytree(clean, tmp_path / "root"))
    rows, data = planted.rows(), (planted.root / FIRST).read_bytes()
    end = rows[-1].offset + rows[-1].size
    for seed in range(NUM_SPOILS):
        draw = random.Random(f"sums/{seed}")
        bad = spoiled(data[:end], draw) + data[end:]
        planted.change_tar(lambda _, bad=bad: bad)  # type: ignore[misc]
        assert faults_of(planted.root) or bad == data, seed
        (planted.root / FIRST).write_bytes(data)
