"""A small packed root: nine samples in three shards."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from replai.core.annotations import Annotations
from sharder.encode import TranscodeProfile
from sharder.engine import LocalEngine
from sharder.pack import pack
from sharder.plan import PackConfig
from sharder.segments import SegmentConfig
from sharder.sources import find_sources
from sharder.timestamps import read_moments
from tests.sharder.verify.planting import Planted

CONFIG = PackConfig(
    samples_per_shard=3, segments=SegmentConfig(core_seconds=2.0, margin_seconds=0.5)
)


@pytest.fixture(scope="session")
def clean(videos: Path, moments: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The root as it was packed. Read it, never write to it."""
    root = tmp_path_factory.mktemp("clean") / "root"
    pack(
        find_sources([str(videos)], with_audio_files=False),
        read_moments(str(moments)),
        Annotations(),
        str(root),
        TranscodeProfile(short_side=32, fps=10),
        CONFIG,
        LocalEngine(1),
        "the command",
    )
    return root


@pytest.fixture
def planted(clean: Path, tmp_path: Path) -> Planted:
    """A copy of it that may be changed."""
    return Planted(shutil.copytree(clean, tmp_path / "root"))
