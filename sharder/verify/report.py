"""What `sharder verify` tells: a line a fault as it is found, a summary, a file for machines."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field

from sharder.report import console
from sharder.verify.faults import Fault
from sharder.verify.shard import ShardOutcome


@dataclass(kw_only=True)
class Report:
    """What was read, and what is wrong with it."""

    root: str
    command: str
    finished: bool = False
    num_shards: int = 0
    num_shards_read: int = 0
    num_samples_read: int = 0
    num_samples_decoded: int = 0
    num_bytes_read: int = 0
    seconds: float = 0.0
    faults_by_kind: dict[str, int] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)

    def add(self, faults: Iterable[Fault]) -> None:
        """Counts `faults`, and prints each."""
        for fault in faults:
            self.faults.append(fault)
            self.faults_by_kind[fault.kind] = self.faults_by_kind.get(fault.kind, 0) + 1
            console.print(str(fault))

    def count(self, outcome: ShardOutcome) -> None:
        """Adds what was read of one shard."""
        self.num_shards_read += 1
        self.num_samples_read += outcome.num_samples
        self.num_samples_decoded += outcome.num_decoded
        self.num_bytes_read += outcome.num_bytes
        self.add(outcome.faults)

    @property
    def summary(self) -> str:
        """One line: how much was read, how long it took, faults by kind."""
        kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(self.faults_by_kind.items()))
        plural = "" if len(self.faults) == 1 else "s"
        faults = f"{len(self.faults)} fault{plural} ({kinds})" if self.faults else "no faults"
        return (
            f"{self.num_samples_read} samples ({self.num_samples_decoded} decoded) in "
            f"{self.num_shards_read} of {self.num_shards} shards, "
            f"{self.num_bytes_read / 1e9:.3f} GB in {self.seconds:.1f} s: {faults}"
        )

    def to_json(self) -> bytes:
        """The report for a machine; faults in the order of their files and offsets."""
        order = sorted(self.faults, key=lambda f: (f.file, f.offset or 0, f.kind))
        fields_ = {**vars(self), "faults": [asdict(fault) for fault in order]}
        return json.dumps(fields_, indent=1).encode()
