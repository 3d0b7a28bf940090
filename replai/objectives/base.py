"""What every objective is: views that it asks for, and a loss of what comes back."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor, nn

from replai.models import Encoders
from replai.views import View


@dataclass(frozen=True, kw_only=True)
class ObjectiveOutput:
    """A loss and what a report says about it. Every tensor is a scalar on the batch's device.

    All are means over this rank's samples; ranks have equally many, so that the mean over ranks
    is the mean over the global batch.
    """

    total: Tensor
    """The loss to minimise, with gradient."""
    terms: dict[str, Tensor]
    """The parts of the loss before weighting, detached."""
    metrics: dict[str, Tensor]
    """What is not minimised but tells how training goes, detached."""


class Objective(nn.Module, ABC):
    """A loss with the parameters that only it needs, such as projection heads.

    The encoders are handed in at every call and are not part of the objective, so that a
    checkpoint's encoders and heads stay apart.
    """

    @property
    @abstractmethod
    def views(self) -> tuple[View, ...]:
        """The windows around a moment that `forward` takes, with distinct names."""

    @abstractmethod
    def forward(self, encoders: Encoders, inputs: Mapping[str, Tensor]) -> ObjectiveOutput:
        """The loss of a batch; `inputs` maps each view's name to its tensor.

        Video is uint8 [B, 3, T, H, W], audio float32 [B, 1, samples] in [-1, 1]. A missing view
        raises KeyError.
        """
