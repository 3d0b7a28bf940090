"""How a learner is arranged for ranks: BatchNorm over all of them, on GPUs."""

import pytest
import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from replai.models import AudioEncoderConfig, EncodersConfig, VideoEncoderConfig
from replai.training.compute import ComputeConfig, arrange
from replai.training.learner import Learner
from replai.training.ranks import Ranks
from tests.replai.objectives.small import small_config

ENCODERS = EncodersConfig(
    video=VideoEncoderConfig(width=2, blocks=(1, 1, 1, 1)),
    audio=AudioEncoderConfig(width=2),
    standardise=True,
)


@pytest.mark.parametrize(
    ("device", "world_size", "is_wanted", "is_synced"),
    [
        ("cuda", 2, True, True),
        ("cuda", 2, False, False),
        ("cuda", 1, True, False),
        ("cpu", 2, True, False),
    ],
)
def test_batch_norm_is_over_all_ranks_where_there_are_several_gpus(
    device: str, world_size: int, is_wanted: bool, is_synced: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Learner, "to", lambda learner, _: learner)  # there may be no GPU
    monkeypatch.setattr(torch.backends.cudnn, "benchmark", False)  # put back at the end
    learner = Learner(ENCODERS, small_config(), seed=0)
    keys = learner.state_dict().keys()
    ranks = Ranks(0, world_size, torch.device(device))
    arrange(learner, ComputeConfig(sync_batch_norm=is_wanted), ranks)
    layers = [module for module in learner.modules() if isinstance(module, _BatchNorm)]
    assert len(layers) > 10
    assert {isinstance(layer, nn.SyncBatchNorm) for layer in layers} == {is_synced}
    assert learner.state_dict().keys() == keys
