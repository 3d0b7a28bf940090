"""Engines run a function over many inputs and say when each is done: here, in local processes."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from multiprocessing import resource_tracker
from multiprocessing.context import ForkServerContext
from typing import Protocol, TypeVar

from replai.core.errors import PeerLostError, UserError
from replai.core.fork import running_fork_server
from replai.core.memory import keep_freed_memory

CLEANING_SECONDS = 2.0
"""Time that a worker has to clean up when the process that it works for is gone."""

A = TypeVar("A")
B = TypeVar("B")


class Engine(Protocol):
    """Where work is done: processes of this machine, or those of a Ray cluster."""

    @property
    def workers(self) -> int:
        """How many inputs are worked on at a time."""
        ...

    def map(self, function: Callable[[A], B], inputs: Sequence[A]) -> Iterator[B]:
        """Yields `function(x)` for each input, as they finish. All three are pickled.

        The first exception ends the run, and so do Ctrl-C and leaving the iterator: what is under
        way is told to stop and cleans up after itself. Raises PeerLostError if a process is gone
        and its work cannot be done elsewhere.
        """
        ...


@dataclass(frozen=True)
class LocalEngine:
    """Processes of this machine; `workers` 1: this one."""

    workers: int

    def map(self, function: Callable[[A], B], inputs: Sequence[A]) -> Iterator[B]:
        """See Engine."""
        return run_local(function, inputs, self.workers)


@contextmanager
def open_ray(address: str, workers: int | None) -> Iterator[Engine]:
    """Ray, at `address`, RAY_ADDRESS or started here: see RayEngine.

    Raises UserError if it is not installed.
    """
    address = address or os.environ.get("RAY_ADDRESS", "")
    settings = {"RAY_NUM_REDIS_GET_RETRIES": "1", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}
    os.environ.update({**settings, **os.environ})  # read as Ray is imported
    try:
        from sharder.ray_engine import RayEngine
    except ModuleNotFoundError as error:
        if error.name != "ray":
            raise
        raise UserError("--engine ray needs Ray: python -m pip install 'ray>=2.60'") from None
    with RayEngine(address, workers) as engine:
        yield engine


def run_local(function: Callable[[A], B], inputs: Sequence[A], workers: int) -> Iterator[B]:
    """Yields `function(x)` for each input, as they finish: see Engine."""
    if workers < 1:
        raise UserError(f"--workers is {workers}; it must be at least 1")
    if workers == 1 or len(inputs) == 1:
        yield from map(function, inputs)
        return
    # What this process knows is imported once, by the server that the workers are forked from.
    context = fork_server([name for name in sys.modules if name.startswith("sharder.")])
    pool = ProcessPoolExecutor(min(workers, len(inputs)), mp_context=context, initializer=_begin)
    try:
        with ctrl_c_waiting():
            futures = [pool.submit(partial(_work, function), item) for item in inputs]
        for future in as_completed(futures):
            yield future.result()
    except BrokenProcessPool:
        _stop(pool)
        raise PeerLostError(
            "a worker process was killed, as the system does when memory runs out; run the same "
            "command again, with fewer --workers"
        ) from None
    except BaseException:
        _stop(pool)
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def fork_server(modules: Sequence[str]) -> ForkServerContext:
    """The context to start workers from: a server that has imported `modules`, if this is the
    first call. Called before a program's own imports, it does so while the program does.
    """
    with ctrl_c_waiting():
        return running_fork_server(modules)


@contextmanager
def ctrl_c_waiting() -> Iterator[None]:
    """Ctrl-C waits until the end; processes that are started here never see one."""
    resource_tracker.ensure_running()  # now: when it starts, it lets Ctrl-C through again
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


class _Told:
    """In a worker: whether the parent's SIGTERM has told it to stop."""

    to_stop = False


def _begin() -> None:
    """In a worker, once: it listens, and does not outlive the process that it works for."""
    keep_freed_memory()
    _listen()
    threading.Thread(target=_end_with_parent, name="parent-watch", daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None, "only started in a worker"
    parent.join()
    os.kill(os.getpid(), signal.SIGTERM)  # what is under way cleans up after itself
    time.sleep(CLEANING_SECONDS)
    os._exit(128 + signal.SIGTERM)


def _listen() -> None:
    """In a worker, between two inputs: a SIGTERM is noted, so that no result is sent by half."""
    signal.signal(signal.SIGTERM, _note)


def _note(_signum: int, _frame: object) -> None:
    _Told.to_stop = True


def _leave(_signum: int, _frame: object) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # the cleaning up is not interrupted
    raise SystemExit


def _work(function: Callable[[A], B], item: A) -> B:
    """In a worker: `function(item)`. A SIGTERM ends it by SystemExit, and then the process."""
    try:
        signal.signal(signal.SIGTERM, _leave)
        try:
            if _Told.to_stop:
                raise SystemExit
            return function(item)
        finally:
            _listen()
    except SystemExit:
        os._exit(128 + signal.SIGTERM)


def _stop(pool: ProcessPoolExecutor) -> None:
    for process in list((pool._processes or {}).values()):
        if process.pid is not None and process.is_alive():
            os.kill(process.pid, signal.SIGTERM)
