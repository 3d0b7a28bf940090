"""How a step is computed: precision, layout, compilation, memory, ranks. Not what is learnt."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from enum import Enum

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from replai.core.errors import UserError
from replai.models import Encoders, EncodersConfig
from replai.training.learner import Learner
from replai.training.ranks import Ranks

STATISTICS = ("running_mean", "running_var", "num_batches_tracked")
"""What BatchNorm's buffers are called."""


class Precision(Enum):
    """Of the encoders' convolutions; weights, gradients and losses are float32 always."""

    auto = "auto"
    """bfloat16 on a GPU, float32 on the CPU."""
    bfloat16 = "bfloat16"
    """By autocast: convolutions and products in bfloat16."""
    float32 = "float32"
    """As torch has it on this device (on a GPU convolutions may use TF32)."""


@dataclass(frozen=True, kw_only=True)
class ComputeConfig:
    """How a step is computed. A run may continue with other settings."""

    precision: Precision = Precision.auto
    channels_last: bool = True
    """Channels of a pixel side by side in memory, as convolutions on GPUs and CPUs want them. On
    the CPU in float32 only: there torch 2.11's bfloat16 gradients of such kernels are garbage.
    """
    compile: bool = False
    """Compile the encoders with torch.compile: minutes at the start."""
    micro_batches: int = 1
    """Parts in which a rank's batch passes the encoders, for batches that do not fit: the loss
    still contrasts all moments (gradient caching, `replai.models.recompute`), for a third more
    computing. BatchNorm then has the statistics of each part.
    """
    checkpoint_activations: bool = False
    """Keep the inputs of the encoders' stages alone and compute the rest again for the gradient."""
    sync_batch_norm: bool = True
    """BatchNorm's statistics over all ranks; on GPUs only, as torch has it for them alone. In each
    of its forward passes torch's SyncBatchNorm makes the host wait for the device."""

    def __post_init__(self) -> None:
        if self.micro_batches < 1:
            raise ValueError(f"micro_batches is {self.micro_batches}; it must be at least 1")

    def autocast(self, device: torch.device) -> torch.autocast:
        """The context in which forward passes run."""
        return torch.autocast(device.type, dtype=torch.bfloat16, enabled=self.is_reduced_on(device))

    def is_reduced_on(self, device: torch.device) -> bool:
        """Whether convolutions compute in bfloat16."""
        if self.precision is Precision.auto:
            return device.type == "cuda"
        return self.precision is Precision.bfloat16

    def syncs_batch_norm_on(self, ranks: Ranks) -> bool:
        """Whether BatchNorm's statistics are those of all ranks."""
        return self.sync_batch_norm and ranks.world_size > 1 and ranks.device.type == "cuda"

    def is_channels_last_on(self, device: torch.device) -> bool:
        """Whether weights and activations are laid out so."""
        return self.channels_last and not (device.type == "cpu" and self.is_reduced_on(device))


def arrange(learner: Learner, config: ComputeConfig, ranks: Ranks) -> None:
    """Sets up `learner` in place on this rank's device. Parameters and state keys stay the same."""
    encoders = learner.to(ranks.device).encoders
    encoders.num_parts = config.micro_batches
    encoders.video.recomputes_stages = config.checkpoint_activations
    encoders.audio.recomputes_stages = config.checkpoint_activations
    if config.is_channels_last_on(ranks.device):
        encoders.video_input.memory_format = torch.channels_last_3d
        encoders.video.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
        encoders.audio.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    if ranks.device.type == "cuda":
        torch.backends.cudnn.benchmark = True  # every step has the same shapes
    if config.syncs_batch_norm_on(ranks):
        nn.SyncBatchNorm.convert_sync_batchnorm(learner)  # type: ignore[no-untyped-call]
    if config.compile:
        for module in _compiled_modules(encoders):
            module.compile()


def over_all_ranks(learner: Learner, ranks: Ranks) -> nn.Module:
    """`learner` under DDP, beginning with the first rank's weights; itself where it is alone."""
    if ranks.world_size == 1:
        return learner
    # oneDNN gives the gradients of 1x1x1 convolutions in strides of its own: a copy, no more.
    warnings.filterwarnings("ignore", "Grad strides do not match bucket view strides")
    alike = [f"objective.{name}" for name in learner.objective.replicated]
    DistributedDataParallel._set_params_and_buffers_to_ignore_for_model(  # type: ignore[no-untyped-call]
        learner, alike
    )
    return DistributedDataParallel(learner, gradient_as_bucket_view=True)


@torch.no_grad()
def share_statistics(learner: Learner, ranks: Ranks) -> None:
    """Gives each rank the first one's running statistics of BatchNorm, in place. Collective.

    DDP does so before a training step only: after it each rank has moved them by its own batch.
    """
    for name, buffer in learner.named_buffers():
        if ranks.world_size > 1 and name.endswith(STATISTICS):
            dist.broadcast(buffer, src=0)


def refuse_uneven_parts(config: ComputeConfig, batch_size: int, world_size: int) -> None:
    """Raises UserError unless a rank's batch divides into the configured parts."""
    rows = batch_size // world_size
    if rows % config.micro_batches:
        raise UserError(
            f"compute.micro_batches={config.micro_batches} does not divide the {rows} moments of "
            f"each rank (batch_size {batch_size}, {world_size} ranks)"
        )


def refuse_single_moments(
    encoders: EncodersConfig, config: ComputeConfig, batch_size: int, ranks: Ranks
) -> None:
    """Raises UserError where features are to be standardised over one moment alone."""
    single = batch_size // ranks.world_size == 1 and not config.syncs_batch_norm_on(ranks)
    if encoders.standardise and single:
        raise UserError(
            "encoders.standardise=true needs 2 moments or more on each rank; batch_size "
            f"{batch_size} on {ranks.world_size} ranks gives 1"
        )


def _compiled_modules(encoders: Encoders) -> list[nn.Module]:
    """What is compiled as a whole: the encoders, or their stages where these are recomputed."""
    whole = (encoders.video, encoders.audio)
    if encoders.video.recomputes_stages:
        return [stage for encoder in whole for stage in encoder.stages]
    return [encoders.video_input, *whole]
