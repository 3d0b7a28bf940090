"""The processes of a run: torchrun's ranks, or one process alone."""

from __future__ import annotations

import atexit
import hashlib
import os
import sys
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import NoReturn

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.distributed_c10d import PrefixStore
from torch.distributed.rendezvous import rendezvous

from replai.core.errors import PeerLostError, UserError, exits_cleanly


@dataclass(frozen=True)
class Ranks:
    """Who we are among the processes of the run, and the device we compute on."""

    rank: int
    world_size: int
    device: torch.device

    @property
    def is_first(self) -> bool:
        """Whether this process writes files and prints."""
        return self.rank == 0

    def mean(self, values: dict[str, Tensor]) -> dict[str, float]:
        """Means of scalars over all ranks, on the host (a synchronisation)."""
        names = sorted(values)
        stacked = torch.stack([values[name].detach().float().to(self.device) for name in names])
        if self.world_size > 1:
            dist.all_reduce(stacked)
        return dict(zip(names, (stacked / self.world_size).tolist(), strict=True))

    def agree(self, facts: str) -> bool:
        """Whether all ranks gave the same `facts` (a synchronisation)."""
        digest = int.from_bytes(hashlib.sha256(facts.encode()).digest()[:7])
        extremes = torch.tensor([digest, -digest], device=self.device)
        if self.world_size > 1:
            dist.all_reduce(extremes, dist.ReduceOp.MAX)
        most, least = extremes.tolist()
        return bool(most == -least)


@contextmanager
def joined_ranks(timeout_seconds: float) -> Iterator[Ranks]:
    """Joins the process group that torchrun's environment describes, and leaves it at the end.

    NCCL with a GPU for each rank where there are GPUs, else gloo on the CPU. Raises UserError where
    there are fewer GPUs than ranks, and PeerLostError where another rank is gone, or has not
    answered for `timeout_seconds`. With NCCL an error ends the process here, as a command's does.
    """
    world_size = int(os.environ.get("WORLD_SIZE", "1"))
    rank, local_rank = int(os.environ.get("RANK", "0")), int(os.environ.get("LOCAL_RANK", "0"))
    on_gpu = torch.cuda.is_available()
    device = torch.device("cuda", local_rank) if on_gpu else torch.device("cpu")
    if on_gpu:
        _refuse_shared_gpus(local_rank)
        torch.cuda.set_device(device)
    with _left_at_the_end(), _naming_lost_peers(rank):
        if world_size > 1:
            _join(device, timedelta(seconds=timeout_seconds))
        yield Ranks(rank, world_size, device)


@contextmanager
def _left_at_the_end() -> Iterator[None]:
    """Leaves the process group, if one was joined.

    NCCL's only where all went well: there leaving waits for peers, which after an error sit in a
    collective and never come (https://github.com/pytorch/torchtitan/pull/1342); the interpreter's
    own end may wait for them as well.
    """
    try:
        yield
    except BaseException as error:
        if dist.is_initialized() and dist.get_backend() == "nccl":
            _end_process(error)
        _leave()
        raise
    _leave()


def _leave() -> None:
    """Leaves the process group, and lets it go at the end of the process.

    Its threads may need Python's lock to end. Who waits for them with that lock in hand waits for
    ever: DDP's model, if it is the group's last holder, as where an error's frames keep it
    (https://github.com/pytorch/pytorch/issues/56297). The group's own Python object does not, while
    the interpreter is whole (https://github.com/pytorch/pytorch/pull/179291).
    """
    if dist.is_initialized():
        atexit.register(_let_go, dist.group.WORLD)
        dist.destroy_process_group()


def _let_go(_group: dist.ProcessGroup | None) -> None:
    """Does nothing: `atexit` has held its argument until now."""


def _end_process(error: BaseException) -> NoReturn:
    """Ends the process at once, with the line and the exit code that a command has for `error`."""
    code = 1
    try:
        exits_cleanly(_raise)(error)
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
    except BaseException:
        traceback.print_exc()
    finally:
        with suppress(OSError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def _raise(error: BaseException) -> NoReturn:
    raise error


@contextmanager
def _naming_lost_peers(rank: int) -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
        if not is_lost_peer(error):
            raise
        reason = str(error).splitlines()[0]
        raise PeerLostError(f"rank {rank} has lost the other ranks: {reason}") from error


def _refuse_shared_gpus(local_rank: int) -> None:
    count = torch.cuda.device_count()
    if local_rank >= count:
        raise UserError(
            f"there are more ranks on this machine than its {count} GPUs; start "
            f"--nproc-per-node={count}, or CUDA_VISIBLE_DEVICES= for the CPU"
        )


def _join(device: torch.device, timeout: timedelta) -> None:
    prefix = start_name(os.environ)
    store, rank, world_size = next(rendezvous("env://", timeout=timeout))
    store.set_timeout(timeout)
    on_gpu = device.type == "cuda"
    dist.init_process_group(
        "nccl" if on_gpu else "gloo",
        store=PrefixStore(prefix, store),
        rank=rank,
        world_size=world_size,
        timeout=timeout,
        device_id=device if on_gpu else None,
    )


def start_name(environment: Mapping[str, str]) -> str:
    """A name for this start of the ranks, the same on all of them, another after each restart.

    torchrun's agent keeps one store through its restarts, so the addresses of ranks that are dead
    would be found there, and dialled (https://github.com/pytorch/pytorch/issues/135712). Agents
    of several nodes count their restarts each for itself: there the store must not be shared.
    Raises UserError if it is.
    """
    if environment.get("TORCHELASTIC_USE_AGENT_STORE") != "True":
        return "start"
    several_nodes = environment.get("GROUP_WORLD_SIZE", "1") != "1"
    if several_nodes and environment.get("TORCHELASTIC_MAX_RESTARTS", "0") != "0":
        raise UserError(
            "restarts on several nodes need TORCH_DISABLE_SHARE_RDZV_TCP_STORE=1 in the "
            "environment of each torchrun; or give --max-restarts=0"
        )
    return f"start-{environment.get('TORCHELASTIC_RESTART_COUNT', '0')}"


def refuse_several_nodes(environment: Mapping[str, str]) -> None:
    """Raises UserError under torchrun on several nodes, for what the first rank ends alone.

    An agent whose ranks are through leaves after five minutes (`exit_barrier_timeout`), and if it
    is the one with the meeting place, ends the others.
    """
    if environment.get("GROUP_WORLD_SIZE", "1") != "1":
        raise UserError(
            "the ranks are on several nodes; give torchrun --nnodes=1: classifiers are fitted on "
            "the first rank alone, for which the other nodes do not wait"
        )


def is_lost_peer(error: RuntimeError) -> bool:
    """Whether torch says with `error` that ranks cannot reach each other (gloo has no type)."""
    return isinstance(error, dist.DistError) or "gloo" in str(error).lower()
