"""Video encoder: R(2+1)D-18 in the form AVID released, 15.4 M parameters.

Sources: R(2+1)D is Tran et al., CVPR 2018. This form is that of AVID (Morgado, Vasconcelos,
Misra, CVPR 2021), which RepLAI starts from. It differs from the former, and so from torchvision's
`r2plus1d_18`: no factorised mid-channels (the spatial and the temporal convolution of a pair have
the same width), a max pool in the stem, a 1x1x1 shortcut without normalisation, and a max pool at
the end. Parameter names are those of the released checkpoints' `video_model`.

Shapes: B batch, T frames, H W pixels, C = width (64).

     video   [B,  3, T,   H,    W   ]
     conv1   [B,  C, T,   H/4,  W/4 ]   7x7 spatial stride, then max pool
     conv2x  [B,  C, T,   H/4,  W/4 ]
     conv3x  [B, 2C, T/2, H/8,  W/8 ]
     conv4x  [B, 4C, T/4, H/16, W/16]
     conv5x  [B, 8C, T/8, H/32, W/32]
     max     [B, 8C]
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from replai.models.norms import Norm, check_norm, norm_layer
from replai.models.recompute import recomputed

NUM_STAGES = 4


@dataclass(frozen=True, kw_only=True)
class VideoEncoderConfig:
    """Size of the video encoder. The defaults are the published model.

    Raises ValueError for a width or a number of blocks below 1, a number of stages other than 4,
    or an unknown norm.
    """

    width: int = 64
    """Channels of the first stage; the features have 8 times as many."""
    blocks: tuple[int, ...] = (2, 2, 2, 2)
    """Residual blocks in each of the four stages."""
    norm: Norm = "batch"
    """Normalisation: "batch" as published, or "group", which no split over ranks changes."""

    def __post_init__(self) -> None:
        if self.width < 1:
            raise ValueError(f"width={self.width}, must be >= 1")
        if len(self.blocks) != NUM_STAGES or min(self.blocks) < 1:
            raise ValueError(f"blocks={self.blocks}, must be {NUM_STAGES} numbers >= 1")
        check_norm(self.norm)


class VideoEncoder(nn.Module):
    """Clip features: video float32 [B, 3, T, H, W], normalised -> float32 [B, 8 * width].

    Any T, H, W >= 1 is accepted; 8 frames of 112 x 112 are what RepLAI trains with.
    """

    def __init__(self, config: VideoEncoderConfig) -> None:
        super().__init__()
        self.config = config
        self.recomputes_stages = False
        width = config.width
        self.conv1 = nn.Sequential(
            nn.Conv3d(3, width, (3, 7, 7), stride=(1, 2, 2), padding=(1, 3, 3), bias=False),
            norm_layer(config.norm, width, 3),
            nn.ReLU(inplace=True),
            nn.MaxPool3d((1, 3, 3), stride=(1, 2, 2), padding=(0, 1, 1)),
        )
        self.conv2x = _stage(width, width, config.blocks[0], 1, config.norm)
        self.conv3x = _stage(width, 2 * width, config.blocks[1], 2, config.norm)
        self.conv4x = _stage(2 * width, 4 * width, config.blocks[2], 2, config.norm)
        self.conv5x = _stage(4 * width, 8 * width, config.blocks[3], 2, config.norm)

    @property
    def feature_dim(self) -> int:
        """Numbers in a clip's feature vector: 8 * width."""
        return 8 * self.config.width

    @property
    def stages(self) -> list[nn.Module]:
        """The parts that a clip passes, one after the other."""
        return [self.conv1, self.conv2x, self.conv3x, self.conv4x, self.conv5x]

    def forward(self, video: Tensor) -> Tensor:
        """[B, feature_dim]: the maximum of the last stage over time and space."""
        x = video
        for stage in self.stages:
            x = recomputed(stage, x, stage) if self.recomputes_stages else stage(x)
        return x.amax(dim=(2, 3, 4))


class ResidualBlock(nn.Module):
    """Two (1,3,3) + (3,1,1) convolution pairs and a shortcut: [B, Cin, T, H, W] -> [B, C, ...].

    `stride` (1 or 2) divides T, H and W. The shortcut is the identity, or a 1x1x1 convolution
    where the shape changes.
    """

    def __init__(self, in_channels: int, channels: int, stride: int, norm: Norm) -> None:
        super().__init__()
        self.spt_conv1 = _spatial(in_channels, channels, stride)
        self.spt_bn1 = norm_layer(norm, channels, 3)
        self.tmp_conv1 = _temporal(channels, stride)
        self.tmp_bn1 = norm_layer(norm, channels, 3)
        self.spt_conv2 = _spatial(channels, channels, 1)
        self.spt_bn2 = norm_layer(norm, channels, 3)
        self.tmp_conv2 = _temporal(channels, 1)
        self.out_bn = norm_layer(norm, channels, 3)
        self.res_conv: nn.Module = nn.Identity()
        if stride != 1 or in_channels != channels:
            self.res_conv = nn.Conv3d(in_channels, channels, 1, stride=stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """[B, channels, T / stride, H / stride, W / stride], not negative."""
        y: Tensor = torch.relu(self.spt_bn1(self.spt_conv1(x)))
        y = torch.relu(self.tmp_bn1(self.tmp_conv1(y)))
        y = torch.relu(self.spt_bn2(self.spt_conv2(y)))
        y = self.tmp_conv2(y) + self.res_conv(x)
        return torch.relu(self.out_bn(y))


def _stage(in_channels: int, channels: int, blocks: int, stride: int, norm: Norm) -> nn.Sequential:
    first = ResidualBlock(in_channels, channels, stride, norm)
    return nn.Sequential(
        first, *(ResidualBlock(channels, channels, 1, norm) for _ in range(blocks - 1))
    )


def _spatial(in_channels: int, channels: int, stride: int) -> nn.Conv3d:
    stride_thw = (1, stride, stride)
    return nn.Conv3d(
        in_channels, channels, (1, 3, 3), stride=stride_thw, padding=(0, 1, 1), bias=False
    )


def _temporal(channels: int, stride: int) -> nn.Conv3d:
    stride_thw = (stride, 1, 1)
    return nn.Conv3d(
        channels, channels, (3, 1, 1), stride=stride_thw, padding=(1, 0, 0), bias=False
    )
