"""Local processes: every result once, the first error ends the run, and nothing new is begun."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest

from replai.core.errors import PeerLostError, UserError
from sharder.engine import run_local


def square(number: int) -> tuple[int, int]:
    return number * number, os.getpid()


def fail_first(number: int, folder: Path) -> None:
    """0 fails once another has begun; the others work for long, and clean up when told to stop."""
    if number == 0:
        while not list(folder.glob("begun-*")):
            time.sleep(0.01)
        raise UserError("the first is bad")
    try:
        (folder / f"begun-{number}").touch()
        time.sleep(5.0)
    finally:
        (folder / f"cleaned-{number}").touch()


@pytest.mark.parametrize("workers", [1, 2, 9])
def test_every_input_has_its_result(workers: int) -> None:
    results = list(run_local(square, range(5), workers))
    assert sorted(result for result, _ in results) == [0, 1, 4, 9, 16]
    assert (os.getpid() in {pid for _, pid in results}) == (workers == 1)


def test_one_input_needs_no_process() -> None:
    assert list(run_local(square, [3], 8)) == [(9, os.getpid())]
    assert list(run_local(square, [], 1)) == []


def test_workers_find_imported_what_the_server_was_started_with() -> None:
    code = (
        "import sys\n"
        "from sharder.engine import fork_server, run_local\n"
        "fork_server(['sharder.moi'])\n"
        "asked = \"'sharder.moi' in __import__('sys').modules\"\n"
        "print(*run_local(eval, [asked] * 2, 2), eval(asked))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", "True", "False"]


def test_an_error_stops_what_is_under_way_and_begins_nothing_more(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="the first is bad"):
        list(run_local(partial(fail_first, folder=tmp_path), range(12), 2))
    begun = sorted(path.name.removeprefix("begun-") for path in tmp_path.glob("begun-*"))
    cleaned = sorted(path.name.removeprefix("cleaned-") for path in tmp_path.glob("cleaned-*"))
    # The worker that failed may have taken one more before it was told.
    assert 1 <= len(begun) <= len(cleaned) <= 2
    assert set(begun) <= set(cleaned)  # one may be told to stop just before it has said it began


def kill_itself(_: int) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_killed_worker_is_told_of() -> None:
    with pytest.raises(PeerLostError, match=r"a worker process was killed, .* fewer --workers"):
        list(run_local(kill_itself, range(2), 2))


@pytest.mark.parametrize("workers", [0, -1])
def test_no_workers_are_refused(workers: int) -> None:
    with pytest.raises(UserError, match=f"--workers is {workers}"):
        list(run_local(square, [1], workers))


def test_ctrl_c_waits_while_workers_start() -> None:
    """Also where the resource tracker starts meanwhile, which lets signals through in the end."""
    code = (
        "import signal\n"
        "from multiprocessing import resource_tracker\n"
        "from sharder.engine import ctrl_c_waiting\n"
        "with ctrl_c_waiting():\n"
        "    resource_tracker.ensure_running()\n"
        "    print(signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, []))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "True\n"
