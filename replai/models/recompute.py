"""Less memory for more computing: activations that are not kept, but computed again.

A recomputed part keeps its input alone; when the gradient reaches it, it runs forward once more.
Encoders that take a batch in parts this way are gradient caching (Gao et al., "Scaling Deep
Contrastive Learning Batch Size under Memory Limited Setup", 2021): features of all parts without
a graph, the loss on all of them, then backward part by part.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.checkpoint import checkpoint


def recomputed(forward: Callable[[Tensor], Tensor], x: Tensor, within: nn.Module) -> Tensor:
    """forward(x), of which x alone is kept for the gradient.

    `forward` is a part of the module `within`. The second run is the first over again: autocast
    and torch's random numbers are those of the first, and BatchNorm's running statistics, which
    have been moved once, are left alone.
    """

    def contexts() -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
        return nullcontext(), still_statistics(within)

    result: Tensor = checkpoint(forward, x, use_reentrant=False, context_fn=contexts)
    return result


def in_parts(
    forward: Callable[[Tensor], Tensor], x: Tensor, num_parts: int, within: nn.Module
) -> Tensor:
    """forward(x), float [B, D], by `num_parts` equal parts of x [B, ...], one graph at a time.

    The same numbers and gradients as of all rows at once where rows do not meet in `forward`. In
    BatchNorm they meet: it then has the statistics of each part. Without gradient nothing is
    computed again, and parts need not be equal.
    """
    if num_parts == 1:
        return forward(x)
    if not torch.is_grad_enabled():
        return torch.cat([forward(part) for part in x.chunk(num_parts)])
    assert len(x) % num_parts == 0, "checked when the run starts"
    return torch.cat([recomputed(forward, part, within) for part in x.chunk(num_parts)])


@contextmanager
def still_statistics(module: nn.Module) -> Iterator[None]:
    """Leaves the running statistics of all BatchNorms in `module` as they were before.

    They are put back, not switched off: compiled code for other settings would keep other tensors.
    """
    norms = [norm for norm in module.modules() if isinstance(norm, _BatchNorm)]
    statistics = [buffer.data for norm in norms for buffer in norm.buffers()]
    before = [buffer.clone() for buffer in statistics]
    try:
        yield
    finally:
        for buffer, kept in zip(statistics, before, strict=True):
            buffer.copy_(kept)
