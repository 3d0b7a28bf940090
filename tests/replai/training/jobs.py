"""Real training jobs for tests: started, watched, killed, and looked over for what they leave."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from replai.core.config import config_yaml
from replai.training.config import RunConfig
from replai.training.metrics import METRICS_NAME, read_metrics

REPOSITORY = Path(__file__).parents[3]
MARK = "REPLAI_TEST_JOB"
LONGEST_SECONDS = 100.0


@dataclass(frozen=True)
class Job:
    """A job whose processes, and theirs, have `mark` in their environment."""

    process: subprocess.Popen[bytes]
    mark: str
    run: Path
    output: Path

    def wait_for_step(self, step: int) -> None:
        """Returns once metrics.jsonl shows `step`."""
        path = self.run / METRICS_NAME
        self.wait_until(lambda: any(row["step"] >= step for row in read_metrics(path)))

    def wait_until(self, true: Callable[[], bool]) -> None:
        """Returns once `true`; fails with the job's output if that takes too long."""
        deadline = time.monotonic() + LONGEST_SECONDS
        while not true():
            assert time.monotonic() < deadline, self.output.read_text()
            time.sleep(0.01)

    def kill_rank(self, rank: int) -> None:
        """SIGKILL for one rank alone: its helpers are not told."""
        (victim,) = (pid for pid in self._ranks() if f"RANK={rank}" in _environment(str(pid)))
        os.kill(victim, signal.SIGKILL)

    def kill_node(self) -> None:
        """SIGKILL for torchrun's agent and its ranks; their helpers are not told."""
        ranks = self._ranks()
        os.kill(self.process.pid, signal.SIGKILL)  # first: it would end the others by SIGTERM
        for pid in ranks:
            os.kill(pid, signal.SIGKILL)

    def _ranks(self) -> list[int]:
        """Ids of torchrun's own children."""
        pid = self.process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return [int(child) for child in children if "RANK=" in "".join(_environment(child))]

    def kill_decode_process(self, rank: int) -> None:
        """SIGKILL for a decode process of one rank, as the system does when memory runs out."""
        os.kill(self.decode_processes(rank)[0], signal.SIGKILL)

    def decode_processes(self, rank: int) -> list[int]:
        """Ids of those of one rank."""
        return [pid for pid in self.processes() if _decodes(pid, rank)]

    def exit_code(self) -> int:
        """Of the first process, once it has ended."""
        self.wait_until(lambda: self.process.poll() is not None)
        return self.process.returncode

    def processes(self) -> list[int]:
        """Ids of the processes of the job that are alive, the first one among them."""
        ids = (path.name for path in Path("/proc").glob("[0-9]*"))
        return [int(pid) for pid in ids if f"{MARK}={self.mark}" in _environment(pid)]

    def assert_nothing_is_left(self) -> None:
        """Waits for the last process of the job to end; fails if one stays."""
        self.wait_until(lambda: not self.processes())


def torchrun_job(config: RunConfig, folder: Path, *options: str) -> AbstractContextManager[Job]:
    """`torchrun --standalone OPTIONS train.py` on `config`; whatever is left of it is killed."""
    return train_job(config, folder, "-m", "torch.distributed.run", "--standalone", *options)


@contextmanager
def train_job(config: RunConfig, folder: Path, *launcher: str) -> Iterator[Job]:
    """`python LAUNCHER train.py` on `config`; whatever is left of it is killed."""
    folder.mkdir()
    (folder / "config.yaml").write_text(config_yaml(config))
    environment = {**os.environ, "OMP_NUM_THREADS": "1", MARK: str(folder)}
    with (folder / "output.txt").open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, *launcher, "train.py", "--config", str(folder / "config.yaml")],
            cwd=REPOSITORY, env=environment, stdout=output, stderr=output, start_new_session=True,
        )  # fmt: skip
    job = Job(process, str(folder), Path(config.out), folder / "output.txt")
    try:
        yield job
    finally:
        for pid in job.processes():
            os.kill(pid, signal.SIGKILL)
        process.wait()


def _decodes(pid: int, rank: int) -> bool:
    """Whether `pid` is a decode process of `rank`: from its fork server, in a group of its own."""
    try:
        command = Path(f"/proc/{pid}/cmdline").read_text()
        leads = os.getpgid(pid) == pid
    except OSError:  # it has ended
        return False
    environment = _environment(str(pid))
    own_rank = next((v[5:] for v in environment if v.startswith("RANK=")), "0")
    return "forkserver" in command and leads and own_rank == str(rank)


def _environment(pid: str) -> list[str]:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes().decode(errors="replace").split("\0")
    except OSError:  # it has ended
        return []
