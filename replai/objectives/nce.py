"""NCE: noise-contrastive estimation (Gutmann and Hyvärinen, AISTATS 2010), as AVID uses it.

Which memory is the row's own is asked of K + 1 memories, each by itself. With s = x·m / τ, noise
that draws from N items evenly, and Z the mean of e^s over items, so that the model gives a memory
the probability e^s / (N Z),

     P(own | s) = e^s / (e^s + K Z)
     loss       = -log P(own | s_own) - Σ_k log(1 - P(own | s_k))
"""

import math

from torch import Tensor
from torch.nn import functional


def nce(own: Tensor, negatives: Tensor, log_partition: Tensor) -> Tensor:
    """Scalar: the loss, mean over rows. Exact for any τ: no e^s is computed.

    own: float [B], scores of the rows' own memories. negatives: float [B, K], of K others.
    log_partition: scalar, log Z. Where every score is log Z, each memory is held for the own one
    with probability 1 / (1 + K), and the loss is log(1 + K) + K log(1 + 1 / K).
    """
    log_kz = log_partition + math.log(negatives.shape[1])
    own_terms = functional.softplus(log_kz - own)
    negative_terms = functional.softplus(negatives - log_kz).sum(dim=1)
    return (own_terms + negative_terms).mean()


def log_mean_exp(scores: Tensor) -> Tensor:
    """float [...]: log of the mean of e^s over the first dimension of scores float [n, ...]."""
    return scores.logsumexp(dim=0) - math.log(len(scores))
