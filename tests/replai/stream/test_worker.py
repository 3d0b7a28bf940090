import pytest

from replai.stream.worker import is_lost_worker


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
