"""Packs that SIGKILL ends, again and again, at chosen points; and then one that runs to its end."""

from __future__ import annotations

import random
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import s3fs

from replai.core import storage
from sharder import lock
from tests.sharder.command import files_below, start
from tests.sharder.conftest import Run
from tests.sharder.test_interrupted import ended, pack_command, parts, signalled, wait_until
from tools.seaweed import running_s3

pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs Linux's /proc")
Command = tuple[str | Path, ...]
DYING = """
import os, signal, sys
from sharder import cli
name, left = sys.argv.pop(1), int(sys.argv.pop(1))
real = getattr(os, name)
def dying(*arguments, **named):
    global left
    left -= 1
    if left == 0:
        os.killpg(0, signal.SIGKILL)
    return real(*arguments, **named)
setattr(os, name, dying)
cli.main()
"""
"""The command, that kills its whole group at a call of a function of `os`, when so many are left.
`fsync` is called in each file of FILES, before it has its name; `remove` for each finished part."""
HASTY = """
from sharder import cli, lock
lock.BEAT_SECONDS, lock.DEAD_AFTER_SECONDS = 0.2, 3.0
cli.main()
"""
"""The command, with a lock that is soon taken over."""
FILES = ("job", "index", "info", "split", "dataset", "card", "shards.json")
"""What the command's own process writes, in that order; its workers write the shards."""


def kill_in_mid_part(num_parts: int, command: Command, folder: Path) -> None:
    """SIGKILL while a shard is half written and at least `num_parts` are finished."""
    process = start(*command, cwd=folder)
    wait_until(process, lambda: len(parts(folder)) >= num_parts and is_making(folder / "root"))
    assert signalled(process, signal.SIGKILL)[0] == -signal.SIGKILL


def is_making(root: Path) -> bool:
    """Whether a worker has begun a shard."""
    return any(root.glob("parts/.making/*/shard.tar"))


def kill_at(call: str, number: int, command: Command, folder: Path) -> None:
    """SIGKILL at the call of that number, from 1 on, of a function of `os`."""
    program = (sys.executable, "-c", DYING, call, str(number))
    code, errors = ended(start(*command, cwd=folder, program=program))
    assert code == -signal.SIGKILL, errors


def finished(folder: Path) -> dict[str, int]:
    """Name → time of writing of each shard that is finished."""
    tars = [folder / "root" / "shards" / f"{part.stem}.tar" for part in parts(folder)]
    return {tar.name: tar.stat().st_mtime_ns for tar in tars}


def test_killed_wherever_it_was_it_goes_on_to_the_same_root(
    run: Run, videos: Path, moments: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command, draw = pack_command(videos, moments), random.Random(0)
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    for folder in (killed, whole):
        folder.mkdir()
    kept: dict[str, int] = {}

    def left_unfinished() -> None:
        """What was finished at the kill before is there, untouched; and there is no dataset."""
        now = finished(killed)
        assert now.items() >= kept.items()
        kept.update(now)
        assert not (killed / "root" / "shards.json").exists()

    kill_at("fsync", 1 + FILES.index("job"), command, killed)
    left_unfinished()
    for num_parts in (0, draw.randint(3, 12)):
        kill_in_mid_part(num_parts, command, killed)
        left_unfinished()
    for name in (draw.choice(FILES[1:-1]), "shards.json"):
        kill_at("fsync", 1 + FILES.index(name), command, killed)
        left_unfinished()
    assert len(kept) == 18
    kill_at("remove", draw.randint(1, 18), command, killed)
    assert (killed / "root" / "shards.json").exists() and parts(killed)
    monkeypatch.chdir(killed)
    last = run(*command)
    assert last.code == 0 and "nothing to do" in last.text, last
    monkeypatch.chdir(whole)
    assert run(*command).code == 0
    assert files_below(killed) == files_below(whole)
    tars = {path.name: path.stat().st_mtime_ns for path in killed.glob("root/shards/*.tar")}
    assert tars == kept


@pytest.fixture(scope="module")
def bucket() -> Iterator[str]:
    s3fs.S3FileSystem.clear_instance_cache()
    with pytest.MonkeyPatch.context() as patched, running_s3() as server:
        for name, value in server.environment.items():
            patched.setenv(name, value)
        yield server.make_bucket("killed")
    s3fs.S3FileSystem.clear_instance_cache()


def objects_below(url: str) -> dict[str, bytes]:
    return {one: storage.read_bytes(one) for one in storage.list_files(url)}


def test_a_killed_pack_into_a_bucket_goes_on_to_the_same_root(
    run: Run, bucket: str, videos: Path, moments: Path, tmp_path: Path, short_folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(lock, "BEAT_SECONDS", 0.2)
    monkeypatch.setattr(lock, "DEAD_AFTER_SECONDS", 3.0)
    root = f"{bucket}/root"
    local = pack_command(videos / "a.mp4", moments)
    command = tuple(root if one == "root" else one for one in local)
    alone = (*command, "--workers", "1")  # workers of this process may be older than the server
    assert run(*alone).code == 0
    whole = objects_below(root)
    storage.remove_files(list(whole))

    def made() -> list[str]:
        return [one for one in storage.list_files(root) if "/parts/train-" in one]

    program = (sys.executable, "-c", HASTY)
    process = start(*command, cwd=tmp_path, temporary=short_folder, program=program)
    wait_until(process, lambda: len(made()) >= 1)
    assert signalled(process, signal.SIGKILL)[0] == -signal.SIGKILL
    num_finished = len(made())
    assert f"{root}/shards.json" not in storage.list_files(root)
    again = run(*alone)
    assert again.code == 0 and "waiting 3 s to see whether that is still at work" in again.text
    assert f"{num_finished} of 8 shards are already made" in again.lines
    assert objects_below(root) == whole
