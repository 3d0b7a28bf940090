"""Workers fork from a server that has imported what they need, beside the trainer's imports."""

import signal
import subprocess
import sys
import time
from importlib.util import find_spec
from multiprocessing.synchronize import Event
from pathlib import Path

import pytest
import torch

from replai.stream.worker import fork_server, is_lost_worker, kill_workers, live_with_trainer

REPOSITORY = Path(__file__).parents[3]
HEAVY = ("replai.stream.pipeline", "s3fs", "torch", "webdataset")
CLIENT = "obstore.fsspec" if find_spec("obstore") else "s3fs"
NEEDED = ("replai.stream.pipeline", CLIENT, "torch", "webdataset")


def said_by(code: str) -> str:
    """What a Python that runs `code` in the repository prints."""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


@pytest.mark.parametrize("program", ["train", "probe"])
def test_programs_start_it_before_anything_heavy_is_imported(program: str) -> None:
    """Workers import them once more, as their main module: this keeps it light for them too."""
    assert said_by(f"import sys, {program}; print(*[m for m in {HEAVY} if m in sys.modules])") == ""


def said_in_a_worker(asked: str) -> str:
    """What the expression `asked` is in a process that the fork server forks."""
    return said_by(
        "from replai.stream.worker import fork_server\n"
        "pool = fork_server().Pool(1)\n"
        f"print(*pool.apply(eval, ({asked!r},)))\n"
        "pool.close()\n"  # no `with`: it ends workers by SIGTERM, which these do not hear
        "pool.join()"
    )


def test_it_has_imported_what_workers_need() -> None:
    asked = f"[m for m in {NEEDED} if m in __import__('sys').modules]"
    assert said_in_a_worker(asked).split() == list(NEEDED)


def test_workers_search_for_garbage_but_not_in_what_they_share() -> None:
    asked = "__import__('gc').isenabled(), __import__('gc').get_freeze_count()"
    searches, shared = said_in_a_worker(asked).split()
    assert searches == "True"
    assert int(shared) > 100_000


def test_workers_of_other_streams_live_on() -> None:
    own, other = (fork_server().Process(target=time.sleep, args=(600,)) for _ in range(2))
    for process in (own, other):
        process.start()
    kill_workers(but=[other])
    own.join(60)
    other.join(1)
    assert (own.exitcode, other.exitcode) == (-signal.SIGKILL, None)
    other.kill()
    other.join()


def worker_of_a_loader(ready: Event) -> None:
    torch._C._set_worker_signal_handlers()  # as torch does before it calls ours
    live_with_trainer(0)
    ready.set()
    time.sleep(60.0)


@pytest.mark.skipif(not hasattr(signal, "sigwaitinfo"), reason="macOS has none")
def test_only_the_trainer_ends_a_worker_by_sigterm() -> None:
    """A manager of jobs signals all processes; batches must go on up to the last step."""
    context = fork_server()
    ready = context.Event()
    worker = context.Process(target=worker_of_a_loader, args=(ready,), daemon=True)
    worker.start()
    try:
        assert ready.wait(60.0)
        subprocess.run(["kill", "-TERM", str(worker.pid)], check=True)
        worker.join(0.5)
        assert worker.is_alive()
        for _ in range(30):  # of two signals that wait, one is delivered: that of another, perhaps
            worker.terminate()
            worker.join(1.0)
            if not worker.is_alive():
                break
        assert worker.exitcode == 1
    finally:
        worker.kill()


@pytest.mark.parametrize(
    ("error", "is_lost"),
    [
        (RuntimeError("DataLoader worker (pid(s) 7, 8) exited unexpectedly"), True),
        (RuntimeError("Pin memory thread exited unexpectedly"), True),
        (RuntimeError("DataLoader worker (pid 7) is killed by signal: Killed. "), True),
        (EOFError(), True),
        (ConnectionResetError(104, "Connection reset by peer"), True),
        (RuntimeError("Caught RuntimeError in DataLoader worker process 0.\nTraceback"), False),
        (EOFError("Caught EOFError in DataLoader worker process 0.\nTraceback"), False),
        (ConnectionError("Caught ConnectionError in DataLoader worker process 0.\nT"), False),
        (OSError(24, "Too many open files"), False),
        (NameError("a bug"), False),
    ],
    ids=repr,
)
def test_a_lost_worker_is_told_from_what_workers_raise(error: Exception, is_lost: bool) -> None:
    assert is_lost_worker(error) == is_lost
