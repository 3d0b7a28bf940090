"""The samples of the contest: a made-up world, packed by us, and copied for each peer.

FOLDER/world/        untrimmed videos
FOLDER/videos/       the same under four names each: four times the samples at one price
FOLDER/ours/         our dataset root; webdataset reads its tars
FOLDER/mds/          the same samples as MDS shards
FOLDER/litdata/      the same samples as LitData chunks
"""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from replai.core import storage
from replai.core.annotations import Annotations
from replai.core.index import DatasetIndex, open_index
from sharder.detect import detect
from sharder.encode import TranscodeProfile
from sharder.engine import LocalEngine
from sharder.make_world import make_world
from sharder.moi import MoiConfig
from sharder.pack import pack
from sharder.plan import PackConfig
from sharder.segments import SegmentConfig
from sharder.sources import find_sources
from sharder.timestamps import read_moments
from sharder.world import WorldSettings
from tools.environment import HOME

FORMATS = ("ours", "mds", "litdata")
VIDEO_SECONDS, SEGMENT_SECONDS = 52.0, 4.0
SAMPLES_PER_SHARD = 16
"""About 6 MB: every format has shards enough for two workers, and starts without a long copy."""
COPIES = 4
"""Of each video. A loader that drains at an epoch's end does so once in five seconds, then."""
CORES = os.cpu_count() or 1


@dataclass(frozen=True, kw_only=True)
class Data:
    """Where the samples are, on the local disk and on S3: URL of each format's folder."""

    local: dict[str, str]
    s3: dict[str, str]


def make_data(folder: Path, num_videos: int, python: str) -> dict[str, str]:
    """Makes what is not there yet below `folder`; URL of each format. Takes minutes.

    `python` has the peers.
    """
    urls = {name: str(folder / name) for name in FORMATS}
    make_root(folder, num_videos)
    for name in FORMATS[1:]:
        if not (folder / name / "index.json").exists():
            command = [python, "-m", "benchmarks.contest.convert", name, urls["ours"], urls[name]]
            environment = {**os.environ, "PYTHONPATH": str(HOME)}
            subprocess.run(command, check=True, cwd=folder, env=environment)
    return urls


def make_root(folder: Path, num_videos: int) -> None:
    """World → moments → FOLDER/ours, as a user makes one: the default profile at full height."""
    settings = WorldSettings(
        num_train_videos=num_videos,
        num_test_videos=0,
        duration_seconds=VIDEO_SECONDS,
        width=456,
        height=256,
        fps=16,
        mean_gap_seconds=2.6,
        idle_probability=0.0,
    )
    make_world(settings, str(folder / "world"), CORES)
    moments = str(folder / "moments.parquet")
    under_other_names(folder / "world" / "train", folder / "videos")
    sources = find_sources([str(folder / "videos")], with_audio_files=False)
    detect(sources, moments, MoiConfig(), LocalEngine(CORES), False)
    plan = PackConfig(
        samples_per_shard=SAMPLES_PER_SHARD,
        segments=SegmentConfig(core_seconds=SEGMENT_SECONDS),
    )
    pack(
        sources, read_moments(moments), Annotations(), str(folder / "ours"), TranscodeProfile(),
        plan, LocalEngine(CORES), "benchmarks/stream.py",
    )  # fmt: skip


def under_other_names(videos: Path, folder: Path) -> None:
    """Links each file in `videos` `COPIES` times into `folder`: samples of their own for everybody,
    no loader nor cache can tell."""
    folder.mkdir(exist_ok=True)
    for path in sorted(videos.iterdir()):
        for copy in range(COPIES):
            link = folder / f"{path.stem}_{copy}{path.suffix}"
            if not link.exists():
                link.hardlink_to(path)


def upload(local: dict[str, str], bucket: str) -> dict[str, str]:
    """Copies each format to the S3 URL `bucket`; its URL there."""
    remote = {name: storage.join(bucket, name) for name in local}
    for name, url in local.items():
        for path in sorted(Path(url).rglob("*")):
            if path.is_file():
                target = storage.join(remote[name], path.relative_to(url).as_posix())
                storage.write_bytes(target, path.read_bytes())
    return remote


def facts(root: str) -> dict[str, float | str]:
    """What the reader of the figures should know of the samples."""
    index: DatasetIndex = open_index(root)
    sizes = index.column("size")
    return {
        "samples": index.header.num_samples,
        "samples_with_moments": int((index.column("num_moments") > 0).sum()),
        "shards": len(index.shard_urls),
        "mean_sample_bytes": float(sizes.mean()),
        "profile": index.header.profile,
        "world": json.loads(Path(root).parent.joinpath("world", "world.json").read_text()),
    }
