"""Rows of all ranks, with gradient or without.

Let rank r of W hold B rows and compute L_r from its own rows and everybody's columns. The gradient
that reaches a row is summed over all L_r here, and DDP averages parameters' gradients over ranks:
together that is the gradient of mean_r L_r, the loss of one process on the whole batch. A gather
without gradient would leave out what a rank's rows do to the other ranks' losses (the released
RepLAI code has that gap, so its gradient depends on the launch).
"""

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.nn.functional import all_gather


def gather_with_gradient(rows: Tensor) -> Tensor:
    """[W * B, D]: the rows [B, D] of all W ranks in order of rank, `rows` itself on one process.

    B and the dtype must be the same on all ranks, and every rank must call it equally often.
    """
    if not _distributed():
        return rows
    return torch.cat(all_gather(rows))  # type: ignore[no-untyped-call]


@torch.no_grad()
def gather(rows: Tensor) -> Tensor:
    """As `gather_with_gradient`, of any dtype and without gradient: [W * B, ...] of [B, ...]."""
    if not _distributed():
        return rows.detach()
    parts = [torch.empty_like(rows) for _ in range(dist.get_world_size())]
    dist.all_gather(parts, rows.detach().contiguous())
    return torch.cat(parts)


def own_indices(rows: Tensor) -> Tensor:
    """int64 [B]: where this rank's rows [B, D] lie among the gathered ones."""
    offset = dist.get_rank() * len(rows) if _distributed() else 0
    return torch.arange(offset, offset + len(rows), device=rows.device)


def _distributed() -> bool:
    return dist.is_available() and dist.is_initialized()
