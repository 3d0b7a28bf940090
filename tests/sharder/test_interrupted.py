"""Real processes that are killed, or interrupted by Ctrl-C, in the middle of their work."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.sharder.command import files_below, processes_of_group, start
from tests.sharder.conftest import Run

pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs Linux's /proc")
PATIENCE_SECONDS = 60.0


def wait_until(process: subprocess.Popen[str], ready: Callable[[], bool]) -> None:
    """Returns once `ready`; fails if the process ends before."""
    until = time.monotonic() + PATIENCE_SECONDS
    while not ready():
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < until
        time.sleep(0.005)


def signalled(process: subprocess.Popen[str], number: signal.Signals) -> tuple[int, str]:
    """The exit code and stderr of the process after its whole group got the signal.

    That is what a terminal does at Ctrl-C. Nothing of the group is left.
    """
    os.killpg(process.pid, number)
    return ended(process)


def ended(process: subprocess.Popen[str]) -> tuple[int, str]:
    """The exit code and stderr of the process, once nothing of its group is left."""
    errors = process.communicate(timeout=PATIENCE_SECONDS)[1]
    until = time.monotonic() + PATIENCE_SECONDS
    while processes_of_group(process.pid):
        assert time.monotonic() < until
        time.sleep(0.005)
    return process.returncode, errors


def pack_command(videos: Path, moments: Path) -> tuple[str | Path, ...]:
    """18 shards of a second."""
    return (
        "pack", videos, "--moments", moments, "--out", "root", "--workers", "2",
        "--segment-seconds", "1", "--samples-per-shard", "1", "--fps", "30", "--short-side", "48",
    )  # fmt: skip


def parts(folder: Path) -> list[Path]:
    return list((folder / "root" / "parts").glob("train-*.json"))


def test_a_killed_pack_goes_on_to_the_same_root(
    run: Run, videos: Path, moments: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = pack_command(videos, moments)
    folders = [tmp_path / "killed", tmp_path / "whole"]
    for folder in folders:
        folder.mkdir()
    killed = start(*command, cwd=folders[0])
    wait_until(killed, lambda: len(parts(folders[0])) >= 3)
    assert signalled(killed, signal.SIGKILL)[0] == -signal.SIGKILL
    made = {path.name: path.stat().st_mtime_ns for path in folders[0].glob("root/shards/*.tar")}
    assert not (folders[0] / "root" / "shards.json").exists()
    outcomes = []
    for folder in folders:
        monkeypatch.chdir(folder)
        outcomes.append(run(*command))
    assert [outcome.code for outcome in outcomes] == [0, 0]
    assert "of 18 shards are already made" in outcomes[0].text
    kept = {path.name: path.stat().st_mtime_ns for path in folders[0].glob("root/shards/*.tar")}
    assert sum(kept[name] == at for name, at in made.items()) >= 3
    assert files_below(folders[0]) == files_below(folders[1])


@pytest.mark.parametrize(
    ("number", "expected"), [(signal.SIGKILL, -signal.SIGKILL), (signal.SIGTERM, 130)]
)
def test_workers_end_with_the_command_that_alone_was_told_to_end(
    videos: Path,
    moments: Path,
    tmp_path: Path,
    short_folder: Path,
    number: signal.Signals,
    expected: int,
) -> None:
    process = start(*pack_command(videos, moments), cwd=tmp_path, temporary=short_folder)
    wait_until(process, lambda: len(parts(tmp_path)) >= 1)
    os.kill(process.pid, number)
    assert process.wait(PATIENCE_SECONDS) == expected
    until = time.monotonic() + PATIENCE_SECONDS
    while processes_of_group(process.pid):
        assert time.monotonic() < until, "workers are left"
        time.sleep(0.02)
    process.communicate()
    if number == signal.SIGTERM:
        assert_no_temporary_files(tmp_path, short_folder)


def test_ctrl_c_in_pack(videos: Path, moments: Path, tmp_path: Path, short_folder: Path) -> None:
    for _ in range(
        3
    ):  # on a machine that stalls, the last shard may be made before the signal comes
        shutil.rmtree(tmp_path / "root", ignore_errors=True)
        process = start(*pack_command(videos, moments), cwd=tmp_path, temporary=short_folder)
        wait_until(process, lambda: len(parts(tmp_path)) >= 1)
        code, errors = signalled(process, signal.SIGINT)
        if code:
            break
    assert code == 130 and "Traceback" not in errors, errors
    assert errors.endswith("interrupted; the same command goes on from what is finished\n")
    left = files_below(tmp_path)
    assert "root/parts/job.json" in left and "root/shards.json" not in left
    assert len(parts(tmp_path)) < 17  # what was queued is not made any more
    assert_no_temporary_files(tmp_path, short_folder)


def test_ctrl_c_in_detect(videos: Path, tmp_path: Path, short_folder: Path) -> None:
    (tmp_path / "in").mkdir()
    for number in range(3000):
        (tmp_path / "in" / f"{number}.mp4").hardlink_to(videos / "a.mp4")
    command = ("detect", "in", "-o", "out/moments.parquet", "--workers", "2")
    process = start(*command, cwd=tmp_path, temporary=short_folder)
    # The process itself, the fork server, the resource tracker, two workers.
    wait_until(process, lambda: processes_of_group(process.pid) >= 5)
    code, errors = signalled(process, signal.SIGINT)
    assert code == 130 and "Traceback" not in errors, errors
    assert errors == "interrupted; the same command goes on from what is finished\n"
    assert not (tmp_path / "out" / "moments.parquet").exists()
    assert_no_temporary_files(tmp_path, short_folder)


def test_ctrl_c_in_world(tmp_path: Path, short_folder: Path) -> None:
    command = ("world", "-o", "out", "--seconds", "10", "--workers", "2")
    process = start(*command, cwd=tmp_path, temporary=short_folder)
    wait_until(process, lambda: len(list((tmp_path / "out" / "train").glob("*"))) >= 2)
    code, errors = signalled(process, signal.SIGINT)
    assert code == 130 and "Traceback" not in errors, errors
    assert not {"train.csv", "test.csv"} & set(files_below(tmp_path / "out"))
    assert_no_temporary_files(tmp_path, short_folder)


def assert_no_temporary_files(folder: Path, temporary: Path) -> None:
    left = [name for name in files_below(folder) if not name.startswith("in/")]
    assert not [name for name in left if ".tmp" in name or ".making/" in name.rstrip("/")], left
    assert files_below(temporary) == {}


def test_a_long_temporary_folder_is_named(videos: Path, moments: Path, tmp_path: Path) -> None:
    folder = tmp_path / ("long" * 20)
    folder.mkdir()
    process = start(*pack_command(videos, moments), cwd=tmp_path, temporary=folder)
    code, errors = ended(process)
    assert code == 2
    assert errors.startswith(
        f"error: {folder} is too long a path for the sockets of worker processes"
    )
    assert errors.count("\n") == 1
