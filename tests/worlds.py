"""A small packed dataset, made the way a user makes one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from replai.core.annotations import read_annotations
from sharder.detect import detect
from sharder.encode import TranscodeProfile
from sharder.engine import LocalEngine
from sharder.moi import MoiConfig
from sharder.pack import pack
from sharder.plan import PackConfig
from sharder.segments import SegmentConfig
from sharder.sources import find_sources
from sharder.timestamps import read_moments
from sharder.world import WorldSettings, write_world

SETTINGS = WorldSettings(
    num_train_videos=3,
    num_test_videos=0,
    duration_seconds=24.0,
    width=96,
    height=64,
    fps=16,
    mean_gap_seconds=2.5,
    idle_probability=0.0,
)
PACK = PackConfig(samples_per_shard=5, segments=SegmentConfig(core_seconds=4.0))
PROFILE = TranscodeProfile(short_side=64)


@dataclass(frozen=True, kw_only=True)
class SmallData:
    """Paths of a small world: three videos of 24 s, their annotations, moments and dataset."""

    videos: Path
    annotations: Path
    moments: Path
    root: Path


def make_small_data(folder: Path) -> SmallData:
    """World → detect → pack, below `folder`; 18 samples in 4 shards, in a few seconds."""
    world, moments, root = folder / "world", folder / "moments.parquet", folder / "root"
    write_world(SETTINGS, world, workers=1)
    sources = find_sources([str(world / "train")], with_audio_files=False)
    detect(sources, str(moments), MoiConfig(), LocalEngine(1), False)
    annotations = world / "train.csv"
    pack(
        sources,
        read_moments(str(moments)),
        read_annotations(str(annotations)),
        str(root),
        PROFILE,
        PACK,
        LocalEngine(1),
        "tests/worlds.py",
    )
    return SmallData(videos=world / "train", annotations=annotations, moments=moments, root=root)
