"""Samples that could not be had: counted, named in a file, and too many of them stop the run."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path

from replai.core.errors import UserError
from replai.core.store_errors import naming_store_errors

NAMED_IN_ERROR = 3


@dataclass(frozen=True)
class BadSample:
    """One sample that failed at one place of the order, and why."""

    epoch: int
    batch: int
    position: int
    key: str
    shard: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class BadSampleConfig:
    """How many bad samples a rank bears."""

    max_share: float = 0.01
    """Of the samples of one epoch (but one is always borne), each counted once. A rank counts its
    own part of them."""
    max_in_a_row: int = 100
    """Bad samples without a good one between them."""
    max_decode_seconds: float = 300.0
    """After so long in one sample a decode process is ended, and all are started anew without it.
    Far more than the most work that a sample may ask for takes, and less than the ranks wait for
    one another (`rank_timeout_seconds`). Where `num_workers` is 0, it is only named.
    """

    def __post_init__(self) -> None:
        if not 0 <= self.max_share <= 1:
            raise ValueError(f"max_share is {self.max_share}, outside [0, 1]")
        if self.max_in_a_row < 1:
            raise ValueError(f"max_in_a_row is {self.max_in_a_row}; it must be at least 1")
        if not self.max_decode_seconds > 0:
            raise ValueError(
                f"max_decode_seconds is {self.max_decode_seconds}; it must be positive"
            )


def most_bad(max_share: float, num_samples: int, world_size: int) -> int:
    """Bad samples that one rank bears in its `num_samples` of an epoch.

    Its part is a random one: where `max_share` of the dataset is bad, one of many ranks has more,
    in one of many epochs. Five standard deviations more (of the hypergeometric law) leave a run on
    hundreds of ranks alone; one rank, which sees all, bears no more than its share.
    """
    mean = max_share * num_samples
    spread = math.sqrt(mean * (1 - max_share) * (1 - 1 / world_size))
    return max(1, int(mean + 5 * spread))


class Quarantine:
    """Counts one rank's bad samples; writes them to `path` (JSON lines), if there is one."""

    def __init__(
        self,
        config: BadSampleConfig,
        samples_per_epoch: int,
        path: Path | None = None,
        world_size: int = 1,
    ) -> None:
        self._config = config
        self._most = most_bad(config.max_share, samples_per_epoch, world_size)
        self._path = path
        self._epoch = -1
        self._in_epoch: dict[tuple[str, str], BadSample] = {}
        self._in_a_row = 0
        self.count = 0
        """Times that a sample was bad, so far."""

    def add(self, bad: Sequence[BadSample], num_good: int) -> None:
        """Notes a batch's bad samples. Raises UserError, naming the first ones, if too many."""
        for one in bad:
            self._note(one)
        if num_good:
            self._in_a_row = 0
        if len(self._in_epoch) > self._most:
            self._stop(f"more than {self._most} bad samples in epoch {self._epoch}", "max_share")
        if self._in_a_row >= self._config.max_in_a_row:
            self._stop(f"{self._in_a_row} bad samples in a row", "max_in_a_row")

    def _note(self, one: BadSample) -> None:
        if one.epoch != self._epoch:
            self._epoch, self._in_epoch = one.epoch, {}
        self._in_epoch.setdefault((one.shard, one.key), one)  # a spare may be drawn twice
        self._in_a_row += 1
        self.count += 1
        if self._path is not None:
            with naming_store_errors(str(self._path)):
                self._path.parent.mkdir(parents=True, exist_ok=True)
                with self._path.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(asdict(one), ensure_ascii=False) + "\n")

    def _stop(self, what: str, limit: str) -> None:
        first = islice(self._in_epoch.values(), NAMED_IN_ERROR)
        named = "; ".join(f"{one.key}: {one.reason}" for one in first)
        where = f", all in {self._path}" if self._path else ""
        raise UserError(f"{what} ({named}{where}); mend the data or raise bad_samples.{limit}")
