"""Small indexes and records made in memory, and views that fit the small dataset."""

from __future__ import annotations

from dataclasses import replace

import pyarrow as pa

from replai.core import storage
from replai.core.index import SCHEMA, DatasetIndex, Header, Part, dataset_hash
from replai.core.record import (
    SCHEMA_VERSION,
    Action,
    AudioFacts,
    Moment,
    SampleRecord,
    VideoFacts,
)
from replai.stream.crops import CropConfig
from replai.views import AudioView, VideoView
from sharder.shards import WrittenShard

VIEWS = (
    VideoView(name="before", start_seconds=-0.6, duration_seconds=0.5, num_frames=8),
    VideoView(name="after", start_seconds=0.1, duration_seconds=0.5, num_frames=4),
    AudioView(name="audio", start_seconds=-1.0, duration_seconds=2.0, sample_rate_hz=8000),
)
CROP = CropConfig(size_pixels=32, min_short_side=40, max_short_side=56)
ROW = {
    "shard": 0, "offset": 0, "size": 1024, "crc32": 0, "key": "k", "video_id": "v",
    "start_seconds": 0.0, "duration_seconds": 12.2, "num_moments": 0, "num_actions": 0,
    "has_audio": True,
}  # fmt: skip


def make_index(
    rows: list[dict[str, object]], root: str = "/root", margin_seconds: float = 1.1
) -> DatasetIndex:
    """An index whose rows are `ROW` but for what is given."""
    table = pa.Table.from_pylist([{**ROW, **row} for row in rows], schema=SCHEMA)
    header = Header(
        schema_version=SCHEMA_VERSION,
        profile="copy",
        margin_seconds=margin_seconds,
        num_samples=len(rows),
        num_moments=0,
        num_actions=0,
        dataset_hash=dataset_hash(table),
        verbs={},
        nouns={},
    )
    part = Part(root, len(rows), 2, header.dataset_hash)
    urls = tuple(storage.join(root, f"shards/{name}.tar") for name in "ab")
    return DatasetIndex(root, header, urls, (0, 0), table, (part,))


def index_of_shard(written: WrittenShard, root: str) -> DatasetIndex:
    """The index of a root with one shard, `shards/a.tar`."""
    index = make_index([vars(row) for row in written.rows], root)
    return replace(index, shard_sizes=(written.size, 0))


def make_record(
    moments: tuple[float, ...] = (), actions: tuple[tuple[float, float], ...] = ()
) -> SampleRecord:
    """A record of 12.2 s with the given times."""
    record = SampleRecord(
        video_id="v",
        start_seconds=0.0,
        duration_seconds=12.2,
        video=VideoFacts(width=96, height=64, fps=16.0, codec="h264"),
        audio=AudioFacts(sample_rate_hz=16000, channels=1),
        moments=tuple(Moment(seconds=time, prominence=None) for time in moments),
        actions=(),
    )
    action = Action(
        start_seconds=0.0, stop_seconds=0.0, verb="open", noun="door", verb_class=1, noun_class=2
    )
    cut = [replace(action, start_seconds=start, stop_seconds=stop) for start, stop in actions]
    return replace(record, actions=tuple(cut))
