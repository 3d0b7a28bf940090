from dataclasses import FrozenInstanceError
from typing import Any

import pytest
import torch
from omegaconf import OmegaConf
from torch import Tensor, nn

from replai.models import (
    AudioEncoder,
    AudioEncoderConfig,
    Encoders,
    EncodersConfig,
    HeadsConfig,
    ProjectionHead,
    VideoEncoder,
    VideoEncoderConfig,
)

Shapes = dict[str, tuple[int, ...]]


def batch_norm(name: str, channels: int) -> Shapes:
    vectors = ("weight", "bias", "running_mean", "running_var")
    return {f"{name}.{v}": (channels,) for v in vectors} | {f"{name}.num_batches_tracked": ()}


def released_video_shapes() -> Shapes:
    """The layout of `video_model` in AVID's checkpoints, as recorded in the reference notes."""
    shapes: Shapes = {"conv1.0.weight": (64, 3, 3, 7, 7), **batch_norm("conv1.1", 64)}
    channels_in = 64
    for stage, channels in ((2, 64), (3, 128), (4, 256), (5, 512)):
        for block in (0, 1):
            prefix = f"conv{stage}x.{block}."
            shapes[prefix + "spt_conv1.weight"] = (channels, channels_in, 1, 3, 3)
            shapes[prefix + "spt_conv2.weight"] = (channels, channels, 1, 3, 3)
            for conv in ("tmp_conv1", "tmp_conv2"):
                shapes[f"{prefix}{conv}.weight"] = (channels, channels, 3, 1, 1)
            for norm in ("spt_bn1", "tmp_bn1", "spt_bn2", "out_bn"):
                shapes |= batch_norm(prefix + norm, channels)
            if block == 0 and stage > 2:
                shapes[prefix + "res_conv.weight"] = (channels, channels_in, 1, 1, 1)
            channels_in = channels
    return shapes


def released_audio_shapes() -> Shapes:
    """The layout of `audio_model` in AVID's checkpoints, as recorded in the reference notes."""
    shapes: Shapes = {"conv1.0.weight": (64, 1, 7, 7), **batch_norm("conv1.1", 64)}
    channels_in = 64
    for block, channels in ((1, 64), (2, 128), (3, 256), (4, 512)):
        shapes[f"block{block}.conv1.weight"] = (channels, channels_in, 3, 3)
        shapes[f"block{block}.conv2.weight"] = (channels, channels, 3, 3)
        shapes |= batch_norm(f"block{block}.bn1", channels)
        shapes |= batch_norm(f"block{block}.bn2", channels)
        channels_in = channels
    return shapes


def shapes_of(model: nn.Module) -> Shapes:
    return {key: tuple(value.shape) for key, value in model.state_dict().items()}


def num_parameters(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def test_video_encoder_is_the_released_one() -> None:
    encoder = VideoEncoder(VideoEncoderConfig())
    assert shapes_of(encoder) == released_video_shapes()
    assert round(num_parameters(encoder) / 1e6, 2) == 15.38
    assert encoder.feature_dim == 512


def test_audio_encoder_is_the_released_one() -> None:
    encoder = AudioEncoder(AudioEncoderConfig())
    assert shapes_of(encoder) == released_audio_shapes()
    assert round(num_parameters(encoder) / 1e6, 2) == 4.73
    assert encoder.feature_dim == 512


def stage_shapes(model: nn.Module, names: list[str], x: Tensor) -> list[tuple[int, ...]]:
    shapes: list[tuple[int, ...]] = []
    for name in names:
        model.get_submodule(name).register_forward_hook(
            lambda _module, _args, output: shapes.append(tuple(output.shape))
        )
    shapes.append(tuple(model(x).shape))
    return shapes


def test_video_stages_have_the_documented_shapes() -> None:
    encoder = VideoEncoder(VideoEncoderConfig(width=2)).eval()
    names = ["conv1", "conv2x", "conv3x", "conv4x", "conv5x"]
    assert stage_shapes(encoder, names, torch.randn(1, 3, 8, 112, 96)) == [
        (1, 2, 8, 28, 24),
        (1, 2, 8, 28, 24),
        (1, 4, 4, 14, 12),
        (1, 8, 2, 7, 6),
        (1, 16, 1, 4, 3),
        (1, 16),
    ]


def test_audio_stages_have_the_documented_shapes_with_time_first() -> None:
    encoder = AudioEncoder(AudioEncoderConfig(width=2)).eval()
    names = ["conv1", "block1", "block2", "block3", "block4"]
    assert stage_shapes(encoder, names, torch.randn(1, 1, 80, 124)) == [
        (1, 2, 62, 40),
        (1, 2, 31, 20),
        (1, 4, 16, 10),
        (1, 8, 8, 5),
        (1, 16, 8, 5),
        (1, 16),
    ]


def test_residual_block_adds_its_input_before_the_last_norm() -> None:
    block = VideoEncoder(VideoEncoderConfig(width=4)).conv2x[0].eval()
    nn.init.zeros_(block.tmp_conv2.weight)
    block.out_bn.running_mean.fill_(0.5)
    nn.init.constant_(block.out_bn.weight, 3.0)
    x = torch.rand(2, 4, 3, 5, 5)
    torch.testing.assert_close(block(x), torch.relu(3 * (x - 0.5) / (1 + 1e-5) ** 0.5))


def test_blocks_set_the_depth() -> None:
    encoder = VideoEncoder(VideoEncoderConfig(width=2, blocks=(1, 2, 3, 1)))
    stages = (encoder.conv2x, encoder.conv3x, encoder.conv4x, encoder.conv5x)
    assert [len(stage) for stage in stages] == [1, 2, 3, 1]


@pytest.mark.parametrize("norm", ["batch", "group"])
def test_only_group_norm_makes_samples_independent(norm: Any) -> None:
    torch.manual_seed(0)
    video = VideoEncoder(VideoEncoderConfig(width=4, norm=norm))
    audio = AudioEncoder(AudioEncoderConfig(width=4, norm=norm))
    clips, sounds = torch.randn(3, 3, 4, 32, 32), torch.randn(3, 1, 16, 24)
    same_video = torch.allclose(video(clips)[:2], video(clips[:2]), atol=1e-5)
    same_audio = torch.allclose(audio(sounds)[:2], audio(sounds[:2]), atol=1e-5)
    assert (same_video, same_audio) == ((True, True) if norm == "group" else (False, False))


def test_every_parameter_gets_a_gradient() -> None:
    encoders = Encoders(
        EncodersConfig(
            video=VideoEncoderConfig(width=4, norm="group"),
            audio=AudioEncoderConfig(width=4, norm="group"),
        )
    )
    video = torch.randint(0, 256, (2, 3, 4, 32, 32), dtype=torch.uint8)
    features = (encoders.encode_video(video), encoders.encode_audio(torch.randn(2, 1, 4000)))
    assert [f.shape for f in features] == [(2, 32), (2, 32)]
    torch.cat(features).square().sum().backward()
    for name, parameter in encoders.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


def test_standardised_features_share_nothing() -> None:
    torch.manual_seed(0)
    sizes = {"video": VideoEncoderConfig(width=4), "audio": AudioEncoderConfig(width=4)}
    plain, standard = (Encoders(EncodersConfig(**sizes, standardise=on)) for on in (False, True))
    assert standard.load_state_dict(plain.state_dict(), strict=False).unexpected_keys == []
    video = torch.randint(0, 256, (6, 3, 4, 32, 32), dtype=torch.uint8)
    sound = torch.randn(6, 1, 4000)
    for name, views in (("encode_video", video), ("encode_audio", sound)):
        features = getattr(plain, name)(views)
        expected = (features - features.mean(0)) / (features.var(0, correction=0) + 1e-5).sqrt()
        torch.testing.assert_close(getattr(standard, name)(views), expected)


def test_head_is_linear_relu_linear() -> None:
    head = ProjectionHead(3, 5, 2)
    assert shapes_of(head) == {
        "0.weight": (5, 3),
        "0.bias": (5,),
        "2.weight": (2, 5),
        "2.bias": (2,),
    }
    x = torch.randn(4, 3)
    hidden = (x @ head[0].weight.T + head[0].bias).clamp(min=0)
    torch.testing.assert_close(head(x), hidden @ head[2].weight.T + head[2].bias)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: VideoEncoderConfig(width=0), "width=0"),
        (lambda: VideoEncoderConfig(blocks=(2, 2, 2)), "blocks="),
        (lambda: VideoEncoderConfig(blocks=(2, 0, 2, 2)), "blocks="),
        (lambda: VideoEncoderConfig(norm="layer"), "norm='layer'.*batch, group"),  # type: ignore[arg-type]
        (lambda: AudioEncoderConfig(width=-1), "width=-1"),
        (lambda: AudioEncoderConfig(norm="none"), "norm='none'"),  # type: ignore[arg-type]
        (lambda: HeadsConfig(hidden_dim=0), "hidden_dim=0"),
        (lambda: HeadsConfig(out_dim=0), "out_dim=0"),
    ],
)
def test_sizes_that_make_no_sense(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


def test_config_survives_omegaconf() -> None:
    merged = OmegaConf.merge(
        OmegaConf.structured(EncodersConfig),
        {"video": {"width": 8, "blocks": [1, 1, 1, 1], "norm": "group"}},
    )
    config = OmegaConf.to_object(merged)
    assert config == EncodersConfig(
        video=VideoEncoderConfig(width=8, blocks=(1, 1, 1, 1), norm="group")
    )
    with pytest.raises(FrozenInstanceError):
        config.video = VideoEncoderConfig()
