"""`sharder … --engine ray` as a user runs it: on a Ray of its own, and on two nodes, of which one
is lost in the middle of a pack. The bytes are those of local processes."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.sharder.command import files_below, processes_of_session, start
from tests.sharder.conftest import Run

pytest.importorskip("ray", reason="needs Ray: pip install -e '.[ray]'")

pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs Linux's /proc")
PATIENCE_SECONDS = 60.0
STALLING = """
import sharder.encode
from sharder import cli
from tests.sharder.ray_nodes import Stalling
sharder.encode.TranscodeProfile = Stalling
cli.main()
"""
"""The command, that stalls on the second node."""


def wait_until(ready: Callable[[], object]) -> None:
    until = time.monotonic() + PATIENCE_SECONDS
    while not ready():
        assert time.monotonic() < until
        time.sleep(0.02)


def pack_command(videos: Path, moments: Path, *engine: str) -> tuple[str | Path, ...]:
    """18 segments of a second in 9 shards."""
    return (
        "pack", videos, "--moments", moments, "--out", "root", "--segment-seconds", "1",
        "--samples-per-shard", "2", "--fps", "10", "--short-side", "16", *engine,
    )  # fmt: skip


def made_here(run: Run, command: tuple[str | Path, ...], folder: Path) -> dict[str, bytes]:
    """What local processes make of the same arguments, as if Ray had made it: a root tells the
    command that made it."""
    folder.mkdir()
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(folder)
        engine = command.index("--engine")
        assert run(*command[:engine], "--workers", "1").code == 0
    theirs = " ".join(map(str, command[engine:])).encode()
    told = (b"--short-side 16", b"--short-side 16 " + theirs)
    return {
        name: data.replace(b"--short-side 16 --workers 1", told[1])
        for name, data in files_below(folder / "root").items()
    }


def finish(process: subprocess.Popen[str]) -> str:
    """Its stderr, once nothing of its session is left."""
    try:
        errors = process.communicate(timeout=PATIENCE_SECONDS)[1]
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        raise
    assert process.returncode == 0, errors
    wait_until(lambda: not processes_of_session(process.pid))
    return errors


@dataclass(frozen=True)
class Nodes:
    """A Ray of two nodes."""

    address: str
    holder: subprocess.Popen[str]
    folder: Path
    """Where workers of the second say that they stall."""

    def kill_second(self) -> None:
        """Returns once it is dead."""
        assert self.holder.stdin is not None and self.holder.stdout is not None
        self.holder.stdin.write("kill\n")
        self.holder.stdin.flush()
        assert self.holder.stdout.readline() == "killed\n"


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nodes]:
    """Nothing of them is left afterwards."""
    stalled, repository = tmp_path_factory.mktemp("stalled"), Path(__file__).parents[2]
    patched = pytest.MonkeyPatch()
    patched.setenv("RAY_AUTH_MODE", "disabled")  # for the nodes, and the commands that use them
    sockets = tempfile.mkdtemp(prefix="ray-", dir="/tmp")  # their paths must be short
    holder = subprocess.Popen(
        [sys.executable, "-m", "tests.sharder.ray_nodes", str(stalled)],
        cwd=repository,
        env={**os.environ, "PYTHONPATH": str(repository), "RAY_TMPDIR": sockets},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        assert holder.stdout is not None
        address = holder.stdout.readline().strip()
        assert address, holder.communicate()[1]
        yield Nodes(address, holder, stalled)
        finish(holder)
    finally:
        holder.kill()
        holder.communicate()
        shutil.rmtree(sockets)
        patched.undo()


def test_a_ray_of_its_own(
    run: Run, videos: Path, moments: Path, tmp_path: Path, short_folder: Path
) -> None:
    command = pack_command(videos, moments, "--engine", "ray", "--workers", "2")
    process = start(*command, cwd=tmp_path, temporary=short_folder)
    said = finish(process)
    assert "18 samples in 9 shards" in said
    assert files_below(short_folder) == {}
    assert files_below(tmp_path / "root") == made_here(run, command, tmp_path / "here")


def test_an_address_in_the_environment(
    run: Run, videos: Path, tmp_path: Path, nodes: Nodes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_ADDRESS", nodes.address)
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path / "nowhere"))  # no Ray can be started here
    command = ("detect", videos, "-o")
    said = finish(start(*command, "ray.parquet", "--engine", "ray", cwd=tmp_path))
    outcome = run(*command, tmp_path / "here.parquet", "--workers", "1")
    assert said.splitlines()[-1].startswith(outcome.lines[-1].partition("→")[0])
    assert (tmp_path / "ray.parquet").read_bytes() == (tmp_path / "here.parquet").read_bytes()


def test_a_node_that_is_lost(
    run: Run, videos: Path, moments: Path, tmp_path: Path, nodes: Nodes
) -> None:
    command = pack_command(videos, moments, "--engine", "ray", "--ray-address", nodes.address)
    process = start(*command, cwd=tmp_path, program=(sys.executable, "-c", STALLING))

    def one_is_finished_and_one_stalls() -> bool:
        assert process.poll() is None, process.communicate()[1]
        finished = any(tmp_path.glob("root/parts/train-*.json"))
        return finished and any(nodes.folder.iterdir())

    wait_until(one_is_finished_and_one_stalls)
    (stalled,) = nodes.folder.iterdir()
    nodes.kill_second()
    said = finish(process)
    assert "18 samples in 9 shards" in said
    wait_until(lambda: not Path("/proc", stalled.name.removeprefix("stalled-")).exists())
    assert files_below(tmp_path / "root") == made_here(run, command, tmp_path / "here")
