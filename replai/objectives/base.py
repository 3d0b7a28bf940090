"""What every objective is: views that it asks for, and a loss of what comes back."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field

from torch import Tensor, nn

from replai.models import Encoders
from replai.views import View


@dataclass(frozen=True, kw_only=True)
class ObjectiveOutput:
    """A loss and what a report says about it. Tensors are scalars on the batch's device.

    All but `moments` are means over this rank's samples; ranks have equally many, so that the mean
    over ranks is the mean over the global batch.
    """

    total: Tensor
    """The loss to minimise, with gradient."""
    terms: dict[str, Tensor]
    """The parts of the loss before weighting, detached."""
    metrics: dict[str, Tensor]
    """What is not minimised but tells how training goes, detached."""
    moments: dict[str, Tensor] = field(default_factory=dict)
    """What is found of each of this rank's B samples, float [B] or [B, N], detached; N is the
    global batch, this rank's samples at `objectives.gather.own_indices`. For pictures alone.
    """


@dataclass(frozen=True, kw_only=True)
class Rows:
    """Which items of the training set a batch holds: what a memory is indexed by."""

    items: Tensor
    """int64 [B], on the batch's device, in 0..num_items-1: the same item in every epoch."""
    positions: Tensor
    """int64 [B], on the host: the places of the epoch over all ranks; draws are named by them."""
    epoch: int


class Objective(nn.Module, ABC):
    """A loss with the parameters that only it needs, such as projection heads.

    The encoders are handed in at every call and are not part of the objective, so that a
    checkpoint's encoders and heads stay apart. Its state dict is saved with the run's checkpoint:
    what an objective has to remember is a buffer, from `prepare` on.
    """

    @property
    @abstractmethod
    def views(self) -> tuple[View, ...]:
        """The windows around a moment that `forward` takes, with distinct names."""

    @abstractmethod
    def forward(
        self, encoders: Encoders, inputs: Mapping[str, Tensor], rows: Rows | None = None
    ) -> ObjectiveOutput:
        """The loss of a batch; `inputs` maps each view's name to its tensor.

        Video is uint8 [B, 3, T, H, W], audio float32 [B, 1, samples] in [-1, 1]. A missing view
        raises KeyError. `rows` are the batch's items; None for held-out ones, which have none.
        """

    def prepare(self, num_items: int, seed: int) -> None:
        """Makes what is sized by the training set. Called once, before the first `forward`."""

    @property
    def replicated(self) -> tuple[str, ...]:
        """State keys of buffers that all ranks keep alike by themselves; DDP leaves them alone."""
        return ()

    @property
    def released_heads(self) -> Mapping[str, str]:
        """Prefixes of own state keys -> those of the same heads in released checkpoints."""
        return {}
