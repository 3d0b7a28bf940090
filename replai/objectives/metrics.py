"""Figures that tell how training goes. Scalars on the device, without host synchronisation."""

import torch
from torch import Tensor


@torch.no_grad()
def recall_at_1(similarities: Tensor, own: Tensor) -> Tensor:
    """Share of queries most similar to their own candidate: a float scalar in [0, 1].

    similarities: float [B, N], queries against candidates. own: int64 [B], each query's candidate.
    Chance is 1 / N, also when all candidates are alike: k candidates that share the first place
    get 1 / k each.
    """
    best = (similarities == similarities.amax(dim=1, keepdim=True)).float()
    return (best.gather(1, own[:, None])[:, 0] / best.sum(dim=1)).mean()


@torch.no_grad()
def direction_accuracy(forward_logits: Tensor, backward_logits: Tensor) -> Tensor:
    """Share of moments whose forward change fits the sound better: a float scalar in [0, 1].

    forward_logits, backward_logits: float [B]. The sigmoid is monotone, so this is the share with
    p_fwd > p_bwd, but without its saturation. Ties count 0.5, and chance is 0.5. Without the
    difference head p_bwd = 1 - p_fwd, and this is the share with p_fwd > 0.5.
    """
    return (0.5 + 0.5 * (forward_logits - backward_logits).sign()).mean()
