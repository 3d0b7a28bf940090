"""Commands run one after the other, each printed as one would type it."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from replai.core.errors import UserError

BIN = Path(sys.executable).parent


class Steps:
    """Runs commands one after the other, printing each as one would type it."""

    def __init__(
        self,
        what: str,
        environment: dict[str, str],
        log: Path | None = None,
        started: float | None = None,
    ) -> None:
        """`what` is named when a command fails; `environment` is added to this process's. What the
        commands say is added to `log`, if there is one. Times count from `started`
        (`time.monotonic`), or from now.
        """
        self._what = what
        self._environment = {**os.environ, **environment}
        self._log = log
        self._started = time.monotonic() if started is None else started

    def run(self, *command: str) -> None:
        """Runs one command of the environment's `bin`; its failure ends all."""
        shown = shlex.join(command)
        print(f"\n[{self.seconds:4.0f} s] $ {shown}", flush=True)
        with self._said() as said:
            done = subprocess.run(
                [BIN / command[0], *command[1:]], env=self._environment, check=False,
                stdout=said, stderr=said,
            )  # fmt: skip
        if done.returncode:
            where = f"; see {self._log}" if self._log else ""
            raise UserError(
                f"{self._what} stopped: exit code {done.returncode} of `{shown}`{where}"
            )

    @contextmanager
    def _said(self) -> Iterator[IO[bytes] | None]:
        """Where the commands' words go; None for where ours go."""
        if self._log is None:
            yield None
            return
        self._log.parent.mkdir(parents=True, exist_ok=True)
        with self._log.open("ab") as file:
            yield file

    @property
    def seconds(self) -> float:
        """Time since the start."""
        return time.monotonic() - self._started


def make_dataset(
    steps: Steps,
    world: Path,
    data: str,
    *,
    settings: Sequence[str],
    profile: Sequence[str],
    splits: Sequence[str] = ("train", "test"),
) -> None:
    """A world in the folder `world`, each split packed to DATA/SPLIT at its own detections.

    `settings` are options of `sharder world`, `profile` those of `sharder pack`.
    """
    steps.run("sharder", "world", "-o", str(world), *settings)
    for split in splits:
        moments = str(world.parent / f"{split}-moments.parquet")
        steps.run("sharder", "detect", str(world / split), "-o", moments)
        steps.run(
            "sharder", "pack", str(world / split), "--moments", moments,
            "--annotations", str(world / f"{split}.csv"), "--out", f"{data}/{split}",
            *profile, "--split", split,
        )  # fmt: skip


def train(steps: Steps, ranks: int, *arguments: str) -> None:
    """train.py under torchrun."""
    launcher = ("torchrun", "--standalone", f"--nproc-per-node={ranks}")
    steps.run(*launcher, "train.py", *arguments)
