"""AStC: audible state change, RepLAI (NeurIPS 2022) Eq. 1-3.

The change from before to after should fit the sound of the interaction, the reverse should not.
With h the heads' embeddings, a that of the audio, sim the cosine,

     Δ_fwd = h(v_after) - h(v_before)        Δ_bwd = -Δ_fwd
     p_fwd = σ(sim(g(Δ_fwd), a) / τ)         p_bwd = σ(sim(g(Δ_bwd), a) / τ)         (Eq. 2, 3)
     loss  = -log p_fwd - log(1 - p_bwd)                                             (Eq. 1)

Deviations. The paper has no g, and then Eq. 1 is degenerate: sim(-Δ, a) = -sim(Δ, a), so
1 - p_bwd = p_fwd, both terms are the same number, and the backward term teaches nothing new. The
released code puts a further head g on the difference, which is not odd, so that the terms differ.
`difference_head` chooses: True (default) is the code, False is the paper; docs/method.md has the
proof. The released code takes a quarter of this loss, as the mean of the two terms times a weight
of 0.5.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from replai.models import Encoders
from replai.objectives.base import ObjectiveOutput
from replai.objectives.config import ObjectiveConfig
from replai.objectives.cosine import unit
from replai.objectives.metrics import direction_accuracy
from replai.objectives.moment import (
    MomentFeatures,
    MomentObjective,
    projection_head,
)


@dataclass(frozen=True, kw_only=True)
class StateChange:
    """How well each moment's change fits its sound, forward and backward."""

    forward_logits: Tensor
    """float [B]: sim(g(Δ_fwd), a) / τ, in [-1/τ, 1/τ]."""
    backward_logits: Tensor
    """float [B]: sim(g(Δ_bwd), a) / τ, in [-1/τ, 1/τ]."""

    @property
    def forward_probability(self) -> Tensor:
        """float [B]: p_fwd, Eq. 2."""
        return torch.sigmoid(self.forward_logits)

    @property
    def backward_probability(self) -> Tensor:
        """float [B]: p_bwd, Eq. 3."""
        return torch.sigmoid(self.backward_logits)

    def loss(self) -> Tensor:
        """Scalar: Eq. 1, mean over moments; 2 log 2 at chance. Exact for any τ: no log of 0."""
        forward_terms = -functional.logsigmoid(self.forward_logits)
        backward_terms = -functional.logsigmoid(-self.backward_logits)
        return (forward_terms + backward_terms).mean()


def state_change(
    before: Tensor,
    after: Tensor,
    audio: Tensor,
    temperature: float,
    difference_head: Callable[[Tensor], Tensor],
) -> StateChange:
    """Eq. 2-3 of embeddings before, after, audio: float [B, D], not normalised, row i a moment.

    `difference_head` is g, [B, D] -> [B, D]; `torch.nn.Identity()` is the paper as printed.
    """
    change = after - before
    sound = unit(audio) / temperature
    return StateChange(
        forward_logits=(unit(difference_head(change)) * sound).sum(dim=-1),
        backward_logits=(unit(difference_head(-change)) * sound).sum(dim=-1),
    )


class AStC(MomentObjective):
    """State change standing alone: term `astc`, metrics `direction_accuracy` and both means of p.

    Direction accuracy is the share with p_fwd > p_bwd: given the sound and a moment's two clips,
    does the model know which came first. `forward_probability` and `backward_probability` are
    means over moments, whose own values are in `moments`; at chance all three are 0.5.
    """

    def __init__(self, config: ObjectiveConfig, encoders: Encoders) -> None:
        super().__init__(config, encoders)
        self.video_head = projection_head(encoders.video.feature_dim, config)
        self.audio_head = projection_head(encoders.audio.feature_dim, config)
        self.difference_head: nn.Module = nn.Identity()
        if config.difference_head:
            self.difference_head = projection_head(config.out_dim, config)

    @property
    def released_heads(self) -> dict[str, str]:
        """The heads of RepLAI's released checkpoints."""
        return {
            "video_head": "mlp.video_aot",
            "audio_head": "mlp.audio_aot",
            "difference_head": "mlp.aot_diff",
        }

    def compare(self, features: MomentFeatures) -> ObjectiveOutput:
        """Eq. 1 of features."""
        change = state_change(
            self.video_head(features.before),
            self.video_head(features.after),
            self.audio_head(features.audio),
            self.config.astc_temperature,
            self.difference_head,
        )
        loss = change.loss()
        probabilities = {
            "forward_probability": change.forward_probability.detach(),
            "backward_probability": change.backward_probability.detach(),
        }
        return ObjectiveOutput(
            total=loss,
            terms={"astc": loss.detach()},
            metrics={
                "direction_accuracy": direction_accuracy(
                    change.forward_logits, change.backward_logits
                ),
                **{name: values.mean() for name, values in probabilities.items()},
            },
            moments=probabilities,
        )
