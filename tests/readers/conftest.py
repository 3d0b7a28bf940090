"""A packed dataset for the readers; whatever they do, it stays as it was."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from replai.core.index import open_index
from replai.core.record import SampleRecord
from tests.sharder.command import files_below


@dataclass(frozen=True)
class Packed:
    """A root, its keys in the order of its shards, and each sample's two members by key."""

    root: Path
    keys: tuple[str, ...]
    members: dict[str, tuple[bytes, bytes]]

    @property
    def tars(self) -> list[str]:
        """Paths of the shards."""
        return [str(path) for path in sorted((self.root / "shards").glob("*.tar"))]


@pytest.fixture(scope="session")
def packed(small_root: Path) -> Packed:
    """What our own index says of `small_root`, cut from the tars by its offsets."""
    index = open_index(str(small_root))
    members = {}
    for row in index.table.to_pylist():
        with Path(index.shard_urls[row["shard"]]).open("rb") as file:
            file.seek(row["offset"])
            data = file.read(row["size"])
        size = int(data[124:135], 8)  # of the first member, by its USTAR header
        second = 512 + -(-size // 512) * 512
        record = data[second + 512 :][: int(data[second + 124 : second + 135], 8)]
        assert SampleRecord.from_json(record).video_id == row["video_id"]
        members[row["key"]] = (data[512 : 512 + size], record)
    return Packed(small_root, tuple(index.column("key")), members)


@pytest.fixture(autouse=True)
def _unchanged(packed: Packed) -> Iterator[None]:
    before = files_below(packed.root)
    yield
    assert files_below(packed.root) == before
