"""Ray: the same work on the CPUs of a cluster, or of a Ray that is started here.

The command plans, holds the lock and tells the progress; a task is one input on one CPU. What a
worker or a node that died was at is run again by Ray; what raised an exception is not.
"""

from __future__ import annotations

import logging
import os
import secrets
import shutil
import signal
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import islice
from types import TracebackType
from typing import Any, TypeVar

import ray
from ray.exceptions import OutOfMemoryError, RayError, RayTaskError, WorkerCrashedError

from replai.core.errors import PeerLostError, UserError
from replai.core.store_errors import first_line
from sharder.engine import ctrl_c_waiting
from sharder.ray_task import Home, versions, work
from sharder.report import console

WORKER_BYTES = 600 * 10**6
"""Memory that Ray sets aside for each task: the most that a worker of ours takes, and some."""
MOST_RETRIES = 3
"""Of a task whose worker or node died."""
TASKS_A_CPU = 2
"""One at work, one ready: results and inputs under way stay few, however many there are."""
STORE_BYTES = 100 * 10**6
"""Shared memory of a Ray that is started here; nothing large passes through it."""
CONNECT_SECONDS = 10.0
RECOUNT_SECONDS = 10.0
"""Nodes come and go."""

A = TypeVar("A")
B = TypeVar("B")


class RayEngine:
    """The CPUs of a Ray cluster; connected to, or started, when there is work for the first time.

    `address` is a cluster's, `host:port` or `auto`; if it is empty, a Ray is started here, with
    `workers` CPUs, that ends with the engine. On a cluster, no more than `workers` tasks run at a
    time; None: one on each CPU.
    """

    def __init__(self, address: str, workers: int | None) -> None:
        self._address, self._asked = address, workers
        self._home: Home | None = None
        self._open = ExitStack()

    def __enter__(self) -> RayEngine:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._leave()

    @property
    def workers(self) -> int:
        """CPUs of the cluster now, or fewer if fewer were asked for."""
        self._connected()
        cpus = max(1, int(ray.cluster_resources().get("CPU", 0)))
        return min(cpus, self._asked or cpus)

    def map(self, function: Callable[[A], B], inputs: Sequence[A]) -> Iterator[B]:
        """See Engine."""
        home = self._connected()
        task = ray.remote(num_cpus=1, memory=WORKER_BYTES, max_retries=MOST_RETRIES)(work)
        waiting = iter(inputs)
        under_way: list[Any] = []
        room, counted = 0, -RECOUNT_SECONDS
        try:
            while True:
                if time.monotonic() - counted >= RECOUNT_SECONDS:
                    room, counted = self._room(), time.monotonic()
                more = islice(waiting, max(0, room - len(under_way)))
                under_way += [task.remote(function, item, home) for item in more]
                if not under_way:
                    return
                done, under_way = ray.wait(under_way, timeout=RECOUNT_SECONDS)
                for ref in done:
                    yield _result(ref)
        except BaseException:
            self._leave()  # Ray ends what is under way; `ray.cancel` may bring this process down
            raise

    def _room(self) -> int:
        """How many tasks may be under way: one for each worker asked for, or two for each CPU."""
        return self._asked if self._address and self._asked else TASKS_A_CPU * self.workers

    def _connected(self) -> Home:
        """What the workers need to know of this process. Raises UserError if there is no Ray."""
        if self._home is None:
            with _own_signals():
                if self._address:
                    _connect(self._address)
                    self._open.callback(ray.shutdown)
                else:
                    self._start()
            self._home = Home(ray.get_runtime_context().get_node_id(), versions())
            _tell_if_too_small()
        return self._home

    def _leave(self) -> None:
        """Disconnects, which ends all tasks by SIGTERM; ends the Ray that was started here."""
        self._home = None
        self._open.close()

    def _start(self) -> None:
        """A Ray for this process alone; what it and its workers leave on disk goes with it."""
        # The paths of Ray's sockets must be short; the workers' scratch may need much room.
        folder = tempfile.mkdtemp(prefix="ray-", dir=os.environ.get("RAY_TMPDIR", "/tmp"))
        scratch = tempfile.mkdtemp(prefix="ray-scratch-")
        for one in (folder, scratch):
            self._open.callback(shutil.rmtree, one, ignore_errors=True)
        self._open.callback(ray.shutdown, wait_for_processes=True)
        token = os.environ.get("RAY_AUTH_TOKEN", secrets.token_hex(32))
        with _environment(TMPDIR=scratch, RAY_AUTH_TOKEN=token), ctrl_c_waiting():
            ray.init(
                "local",
                num_cpus=self._asked or os.cpu_count(),
                object_store_memory=STORE_BYTES,
                include_dashboard=False,
                logging_level=logging.CRITICAL,
                log_to_driver=False,
                _temp_dir=folder,
            )


def _connect(address: str) -> None:
    """Raises UserError if there is no cluster, or one of another version, at `address`."""
    host, _, port = address.rpartition(":")
    if "://" in address or (address != "auto" and not (host and port.isdecimal())):
        raise UserError(
            f"--ray-address is {address!r}; give `auto` or `host:port`, on a node of the cluster"
        )
    try:
        if host:
            socket.create_connection((host.strip("[]"), int(port)), CONNECT_SECONDS).close()
        ray.init(address, logging_level=logging.CRITICAL, log_to_driver=False)
    except (OSError, OverflowError, RuntimeError, ValueError) as error:
        raise UserError(
            f"no Ray cluster can be used at {address} ({first_line(error)}); start one "
            "with `ray start --head`, join it from this machine with "
            "`ray start --address=HOST:PORT`, or leave out --ray-address to start one here"
        ) from None


def _result(ref: Any) -> Any:
    """What a task returned, or its exception as if it had been raised here."""
    try:
        return ray.get(ref)
    except RayTaskError as error:
        if "No module named" in str(error.cause):
            raise UserError(
                f"a node of the Ray cluster lacks what is installed here "
                f"({first_line(error.cause)}); install the same on every node"
            ) from None
        raise error.cause from error
    except (WorkerCrashedError, OutOfMemoryError) as error:
        raise PeerLostError(
            f"a worker of Ray's died {MOST_RETRIES + 1} times at the same task, as when memory "
            "runs out; run the same command again, with fewer --workers"
        ) from error
    except RayError as error:
        raise PeerLostError(
            f"Ray lost a task ({first_line(error)}); run the same command again"
        ) from error


def _tell_if_too_small() -> None:
    """A task that fits no node waits for one: a cluster may grow."""
    for node in ray.nodes():
        free = node["Resources"]
        if node["Alive"] and free.get("CPU", 0) >= 1 and free.get("memory", 0) >= WORKER_BYTES:
            return
    console.print(
        f"no node of the Ray cluster has a CPU and {WORKER_BYTES / 1e6:.0f} MB; waiting for one"
    )


@contextmanager
def _environment(**values: str) -> Iterator[None]:
    """What processes that are started meanwhile see."""
    before = dict(os.environ)
    os.environ.update(values)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


@contextmanager
def _own_signals() -> Iterator[None]:
    """Ray takes SIGTERM for itself when it connects; here it stays what it was."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    handler = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, handler)
