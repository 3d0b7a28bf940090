"""RepLAI: the weighted sum of correspondence and state change (NeurIPS 2022).

Both losses see the same features, from one encoder pass; each has heads of its own. The paper sums
with weights 1 and 1. The released code's loss is a quarter of that, with means in place of sums
and 0.5 and 0.5 as weights: weights of 0.25 give its scale, which matters where its learning rates
are used.
"""

import torch
from torch import nn

from replai.models import Encoders
from replai.objectives.astc import AStC
from replai.objectives.avc import AVC
from replai.objectives.base import ObjectiveOutput
from replai.objectives.config import ObjectiveConfig
from replai.objectives.moment import MomentFeatures, MomentObjective

LOSSES: dict[str, type[MomentObjective]] = {"avc": AVC, "astc": AStC}
"""The losses that are summed."""


class RepLAI(MomentObjective):
    """avc_weight * AVC + astc_weight * AStC, with the terms and metrics of both.

    A weight of 0 leaves a loss out altogether: it is not computed and has no heads, so that no
    parameter goes without a gradient under DDP.
    """

    def __init__(self, config: ObjectiveConfig, encoders: Encoders) -> None:
        super().__init__(config, encoders)
        weights = {"avc": config.avc_weight, "astc": config.astc_weight}
        self.weights = {name: weight for name, weight in weights.items() if weight > 0}
        self.losses = nn.ModuleDict({name: LOSSES[name](config, encoders) for name in self.weights})

    @property
    def released_heads(self) -> dict[str, str]:
        """The heads of RepLAI's released checkpoints."""
        return {
            f"losses.{name}.{own}": released
            for name in self.weights
            for own, released in self._loss(name).released_heads.items()
        }

    def compare(self, features: MomentFeatures) -> ObjectiveOutput:
        """The weighted sum of the losses of the same features."""
        outputs = {name: self._loss(name).compare(features) for name in self.weights}
        weighted = [weight * outputs[name].total for name, weight in self.weights.items()]
        return ObjectiveOutput(
            total=torch.stack(weighted).sum(),
            terms={name: output.terms[name] for name, output in outputs.items()},
            metrics={key: value for out in outputs.values() for key, value in out.metrics.items()},
            moments={key: value for out in outputs.values() for key, value in out.moments.items()},
        )

    def _loss(self, name: str) -> MomentObjective:
        loss = self.losses[name]
        assert isinstance(loss, MomentObjective)
        return loss
