"""Audio encoder: the 2-D convolutional network AVID released, 4.7 M parameters.

Source: AVID (Morgado, Vasconcelos, Misra, CVPR 2021), as used by RepLAI. The paper counts 10
layers, the code calls it a 9-layer model: there are 9 convolutions. Parameter names are those of
the released checkpoints' `audio_model`.

Shapes: B batch, M mel bands, F frames, C = width (64).

     log_mel  [B,  1, M, F      ]
     swapped  [B,  1, F, M      ]   released kernels have time first
     conv1    [B,  C, F/2,  M/2 ]
     block1   [B,  C, F/4,  M/4 ]
     block2   [B, 2C, F/8,  M/8 ]
     block3   [B, 4C, F/16, M/16]
     block4   [B, 8C, F/16, M/16]
     max      [B, 8C]
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from replai.models.norms import Norm, check_norm, norm_layer
from replai.models.recompute import recomputed


@dataclass(frozen=True, kw_only=True)
class AudioEncoderConfig:
    """Size of the audio encoder. The defaults are the published model.

    Raises ValueError for a width below 1 or an unknown norm.
    """

    width: int = 64
    """Channels of the first block; the features have 8 times as many."""
    norm: Norm = "batch"
    """Normalisation: "batch" as published, or "group", which no split over ranks changes."""

    def __post_init__(self) -> None:
        if self.width < 1:
            raise ValueError(f"width={self.width}, must be >= 1")
        check_norm(self.norm)


class AudioEncoder(nn.Module):
    """Clip features: log_mel float32 [B, 1, bands, frames], normalised -> float32 [B, 8 * width].

    Any number of bands and frames >= 1 is accepted; 80 and 124 are what 2 s at 16 kHz give.
    """

    def __init__(self, config: AudioEncoderConfig) -> None:
        super().__init__()
        self.config = config
        self.recomputes_stages = False
        width = config.width
        self.conv1 = nn.Sequential(
            nn.Conv2d(1, width, 7, stride=2, padding=3, bias=False),
            norm_layer(config.norm, width, 2),
            nn.ReLU(inplace=True),
        )
        self.block1 = ConvBlock(width, width, 2, config.norm)
        self.block2 = ConvBlock(width, 2 * width, 2, config.norm)
        self.block3 = ConvBlock(2 * width, 4 * width, 2, config.norm)
        self.block4 = ConvBlock(4 * width, 8 * width, 1, config.norm)

    @property
    def feature_dim(self) -> int:
        """Numbers in a clip's feature vector: 8 * width."""
        return 8 * self.config.width

    @property
    def stages(self) -> list[nn.Module]:
        """The parts that a spectrogram passes, one after the other."""
        return [self.conv1, self.block1, self.block2, self.block3, self.block4]

    def forward(self, log_mel: Tensor) -> Tensor:
        """[B, feature_dim]: the maximum of the last block over time and frequency.

        Released weights were trained on [frames, bands]; swapping the axes here, and not the
        kernels at load time, keeps checkpoints interchangeable in both directions.
        """
        x = log_mel.transpose(2, 3)
        for stage in self.stages:
            x = recomputed(stage, x, stage) if self.recomputes_stages else stage(x)
        return x.amax(dim=(2, 3))


class ConvBlock(nn.Module):
    """Two 3x3 convolutions, each with norm and ReLU, no shortcut: [B, Cin, F, M] -> [B, C, ...].

    `stride` (1 or 2) divides F and M, in the first convolution.
    """

    def __init__(self, in_channels: int, channels: int, stride: int, norm: Norm) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, channels, 3, stride=stride, padding=1, bias=False)
        self.bn1 = norm_layer(norm, channels, 2)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn2 = norm_layer(norm, channels, 2)

    def forward(self, x: Tensor) -> Tensor:
        """[B, channels, F / stride, M / stride], not negative."""
        y: Tensor = torch.relu(self.bn1(self.conv1(x)))
        return torch.relu(self.bn2(self.conv2(y)))
