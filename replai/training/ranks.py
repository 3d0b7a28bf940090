"""The processes of a run: torchrun's ranks, or one process alone."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor


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


@contextmanager
def joined_ranks() -> Iterator[Ranks]:
    """Joins the process group that torchrun's environment describes, and leaves it at the end.

    NCCL with a GPU for each rank where there are GPUs, else gloo on the CPU.
    """
    world_size = int(os.environ.get("WORLD_SIZE", "1"))
    rank, local_rank = int(os.environ.get("RANK", "0")), int(os.environ.get("LOCAL_RANK", "0"))
    on_gpu = torch.cuda.is_available()
    device = torch.device("cuda", local_rank) if on_gpu else torch.device("cpu")
    if on_gpu:
        torch.cuda.set_device(device)
    if world_size > 1:
        dist.init_process_group("nccl" if on_gpu else "gloo", device_id=device if on_gpu else None)
    try:
        yield Ranks(rank, world_size, device)
    finally:
        if dist.is_initialized():
            dist.destroy_process_group()
