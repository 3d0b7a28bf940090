"""What one process of the contest is to do, and what it found out. Both travel as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol


@dataclass(frozen=True, kw_only=True)
class Job:
    """One process: a contestant that reads `num_epochs`, or resumes and ends with a first batch."""

    contestant: str
    """Name of its module, such as `ours`."""
    name: str
    """What the raw figures call it, such as `ours_s3`."""
    data: str
    """URL of the data in the contestant's own format."""
    cache: str = ""
    """Local folder that the contestant may cache in. It is emptied before."""
    s3_client: str = "auto"
    read_unit: int = 4
    """Both of ours alone; the default there."""
    repeats: int = 1
    """How often an epoch goes through the data: a longer epoch, for who resumes in it."""
    batch_size: int = 16
    num_workers: int = 2
    num_epochs: int = 2
    state: dict[str, Any] = field(default_factory=dict)
    """Where to resume; empty: at the start."""
    stop_after_batches: int = 0
    """If not 0: end after so many batches, and tell the state then."""

    def to_json(self) -> str:
        """As JSON text."""
        return json.dumps(asdict(self))

    @staticmethod
    def from_json(text: str) -> Job:
        """The job that `to_json` gave."""
        return Job(**json.loads(text))


@dataclass(frozen=True, kw_only=True)
class Epoch:
    """One epoch of one process. The first is timed from the batch with which every worker had
    given one: what starting costs is told by the time to the first batch.
    """

    moments: int
    wall_seconds: float
    cpu_seconds: float
    """Of the process and all its descendants."""
    worker_megabytes: dict[str, float]
    """Process id → proportional set size at the epoch's end, of each descendant."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a process found out."""

    import_seconds: float
    """From the start of the process until the contestant's modules were imported."""
    first_batch_seconds: float
    """From the start of the process until its first batch (after a resume: the next one)."""
    first_batch_cpu_seconds: float
    epochs: list[Epoch]
    state: dict[str, Any]

    @staticmethod
    def from_file(path: Path) -> Outcome:
        """The outcome that a process wrote."""
        fields = json.loads(path.read_text())
        return Outcome(**{**fields, "epochs": [Epoch(**one) for one in fields["epochs"]]})


class Contestant(Protocol):
    """What each contestant's module makes of a job, by its function `open_contestant(job)`."""

    def epoch(self) -> Iterator[int]:
        """Reads the next epoch, or what is left of it after a resume: moments of each batch."""
        ...

    def state(self) -> dict[str, Any]:
        """Where it stands, for a later process to resume from."""
        ...
