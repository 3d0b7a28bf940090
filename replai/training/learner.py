"""What DDP wraps: the encoders and the objective, as one module from views to loss."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from replai.models import Encoders, EncodersConfig
from replai.objectives import Objective, ObjectiveConfig, ObjectiveOutput, Rows, make_objective


class Learner(nn.Module):
    """Encoders and objective. Weights are drawn from `seed`, leaving torch's generator alone."""

    def __init__(self, encoders: EncodersConfig, objective: ObjectiveConfig, seed: int) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.encoders = Encoders(encoders)
            self.objective: Objective = make_objective(objective, self.encoders)

    def forward(self, views: Mapping[str, Tensor], rows: Rows | None = None) -> ObjectiveOutput:
        """The objective's loss, terms and metrics of one rank's views; `rows` None if held out."""
        output: ObjectiveOutput = self.objective(self.encoders, views, rows)
        return output
