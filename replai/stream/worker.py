"""The life of the decode processes: the trainer ends them, and they never outlive it.

torchrun and Ctrl-C signal the whole process group of a rank, Slurm and systemd all processes of a
job. A trainer that is told to stop still needs batches up to the step after which all ranks stop,
so its helpers must not hear it.

No torch here: the fork server imports it while the process that asks for one does so too.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from multiprocessing.context import ForkServerContext
from multiprocessing.process import BaseProcess
from multiprocessing.queues import SimpleQueue
from typing import TypeAlias

from replai.core.fork import running_fork_server
from replai.stream.watch import WATCH

Told: TypeAlias = "SimpleQueue[tuple[int, str]]"
"""Item and key of a sample that held a worker."""
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)
PRELOADED = ["replai.stream.preloaded"]


def fork_server() -> ForkServerContext:
    """The context to start workers from: a running fork server that ignores `STOP_SIGNALS`.

    It takes as long as importing `PRELOADED` until it forks the first; a program that calls this
    before its own imports saves that time.
    """
    with _ignored(STOP_SIGNALS):
        return running_fork_server(PRELOADED)


def set_up_worker(most_seconds: float, told: Told, worker: int) -> None:
    """Sets up a worker of a loader, which ends after `most_seconds` in one sample. `told` then has
    its item and key.
    """
    live_with_trainer(worker)
    WATCH.end_process(most_seconds, lambda item, key: told.put((item, key)))


def live_with_trainer(_worker: int) -> None:
    """Sets up a worker: it leaves the trainer's process group, and ends when the trainer is gone.

    The loader's own watch does not help: it looks at the parent, and that is the fork server,
    which lives as long as any worker does.
    """
    os.setsid()
    if hasattr(signal, "sigwaitinfo"):  # not on macOS
        # torch has set a handler of its own since the fork server ignored the signal.
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
        threading.Thread(target=_end_when_told, name="sigterm-watch", daemon=True).start()
    threading.Thread(target=_end_with_trainer, name="trainer-watch", daemon=True).start()


def _end_with_trainer() -> None:
    trainer = multiprocessing.parent_process()
    assert trainer is not None, "only started in a worker"
    trainer.join()  # on a pipe that the trainer holds: the kernel closes it, also after SIGKILL
    os._exit(1)


def _end_when_told() -> None:
    """Ends this process at a SIGTERM of the trainer's own; those that a job's manager sends to all
    of its processes (Slurm, systemd) are for the trainer."""
    trainer = multiprocessing.parent_process()
    assert trainer is not None, "only started in a worker"
    while signal.sigwaitinfo([signal.SIGTERM]).si_pid != trainer.pid:
        pass
    os._exit(1)


def is_lost_worker(error: Exception) -> bool:
    """Whether `error`, met while waiting for a batch, means that a worker is gone.

    torch has no type for it, and says it only if the worker was gone before its batch came; else
    the pipe breaks that the batch's memory comes through. What workers raise begins with `Caught`.
    """
    text = str(error)
    if isinstance(error, ConnectionError | EOFError):
        return not text.startswith("Caught ")
    return isinstance(error, RuntimeError) and (
        text.endswith("exited unexpectedly") or "is killed by signal" in text
    )


def kill_workers(but: Collection[BaseProcess]) -> None:
    """Ends workers at once, where one of them is lost: all `but` those of other streams.

    It may have died with a lock in its hand that the others wait for; asked to end, they would
    never hear it, nor SIGTERM, and this process would wait for them when it ends.
    """
    for process in multiprocessing.active_children():
        if process not in but:
            process.kill()


@contextmanager
def _ignored(signals: tuple[signal.Signals, ...]) -> Iterator[None]:
    """Ignores signals for a moment; a process started meanwhile does so for good."""
    if threading.current_thread() is not threading.main_thread():
        yield  # Python lets no other thread do this
        return
    before = {number: signal.signal(number, signal.SIG_IGN) for number in signals}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
