"""`sharder verify`: a dataset root on any store, read again."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import partial
from itertools import accumulate

import numpy as np

from replai.core import storage
from replai.core.errors import UserError
from replai.core.seeding import generator
from replai.core.shared_table import SharedTable
from replai.core.urls import without_secrets
from sharder.engine import run_local
from sharder.report import console, with_progress
from sharder.verify.report import Report
from sharder.verify.root import Root, open_root
from sharder.verify.shard import ShardTask, verify_shard


@dataclass(frozen=True, kw_only=True)
class VerifyConfig:
    """How much of a root is read."""

    share: float = 1.0
    """Of the shards, drawn at random; at least one is read."""
    seed: int = 0
    """Of that draw."""
    decode_every: int = 50
    """Every n-th sample is decoded in full; 0: none."""

    def __post_init__(self) -> None:
        if not 0 < self.share <= 1:
            raise UserError(f"--share is {self.share}; above 0, at most 1")
        if self.seed < 0:
            raise UserError(f"--seed is {self.seed}; at least 0")
        if self.decode_every < 0:
            raise UserError(f"--decode-every is {self.decode_every}; at least 0")


def verify(url: str, config: VerifyConfig, workers: int, command: str, json_url: str) -> Report:
    """Reads the dataset root at `url` again and prints each fault, then a summary.

    With `json_url`, the report is written there; until the end it says that it is not finished.
    Raises UserError if there is no dataset at `url`, or one of a newer schema.
    """
    started = time.monotonic()
    root = open_root(url)
    report = Report(root=without_secrets(url), command=command, num_shards=len(root.shards))
    if json_url:
        storage.write_bytes(json_url, report.to_json())
    if root.growing:
        console.print(f"a pack that adds to {url} is under way or has broken off: read is what was")
    report.add(root.faults)
    tasks = drawn_tasks(root, config)
    shared = SharedTable(root.table) if root.table is not None else None
    table_path = shared.path if shared is not None else None
    work = partial(verify_shard, root=url, table_path=table_path, decode_every=config.decode_every)
    if tasks:
        for outcome in with_progress(run_local(work, tasks, workers), len(tasks), "verify"):
            report.count(outcome)
    report.finished, report.seconds = True, time.monotonic() - started
    if json_url:
        storage.write_bytes(json_url, report.to_json())
    console.print(report.summary)
    return report


def drawn_tasks(root: Root, config: VerifyConfig) -> list[ShardTask]:
    """The shards to be read, in their order: the share drawn from those that are there."""
    counts = [shard.num_samples if shard is not None else 0 for shard in root.shards]
    tasks = [
        ShardTask(
            listed=shard,
            first_sample=first,
            rows=root.rows_of(number),
            has_idx=shard.idx_name not in root.missing,
        )
        for number, (shard, first) in enumerate(
            zip(root.shards, accumulate(counts, initial=0), strict=False)
        )
        if shard is not None and shard.name not in root.missing
    ]
    if config.share == 1 or not tasks:
        return tasks
    draw = generator(config.seed, 0, 0, "verify")
    size = max(1, round(config.share * len(tasks)))
    drawn = np.sort(draw.choice(len(tasks), size, replace=False))
    return [tasks[i] for i in drawn]
