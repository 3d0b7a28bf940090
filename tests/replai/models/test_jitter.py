"""Colour jitter against torchvision's, a clip at a time."""

import pytest
import torch
from torchvision.transforms.v2 import functional

from replai.models.jitter import JitterConfig, draw_factors, jittered

ALL = JitterConfig(brightness=0.4, contrast=0.4, saturation=0.8)


def clips(num: int) -> torch.Tensor:
    return torch.randint(0, 256, (num, 3, 2, 8, 10), dtype=torch.uint8)


def test_each_clip_is_what_torchvision_makes_of_it(device: torch.device) -> None:
    video, factors = clips(6), draw_factors(ALL, 3, 1, range(6))
    out = jittered(video.to(device), factors.to(device))
    assert out.device.type == device.type
    for clip, changed, row in zip(video, out.cpu(), factors.tolist(), strict=True):
        frames = clip.transpose(0, 1).float() / 255
        for adjust, factor in zip(
            (
                functional.adjust_brightness,
                functional.adjust_contrast,
                functional.adjust_saturation,
            ),
            row,
            strict=True,
        ):
            frames = adjust(frames, factor)
        difference = frames.transpose(0, 1) * 255 - changed
        assert difference.abs().max() < 0.52 + 0.2  # rounding; torchvision's grey is 0.2989 R …


def test_factors_of_one_change_nothing(device: torch.device) -> None:
    video = clips(2).to(device)
    assert torch.equal(jittered(video, torch.ones(2, 3, device=device)), video)


def test_the_draw_is_a_function_of_its_place() -> None:
    one = draw_factors(ALL, 3, 1, [5, 5, 9])
    assert torch.equal(one[[2]], draw_factors(ALL, 3, 1, [9]))
    assert torch.equal(one[:2], draw_factors(ALL, 3, 1, [5, 5]))
    assert len({tuple(row) for row in one.tolist()}) == 3
    assert not torch.equal(one, draw_factors(ALL, 3, 2, [5, 5, 9]))
    assert not torch.equal(one, draw_factors(ALL, 4, 1, [5, 5, 9]))


def test_factors_lie_within_their_strengths() -> None:
    factors = draw_factors(JitterConfig(brightness=0.2, saturation=1.0), 0, 0, range(200))
    assert ((factors[:, 0] - 1).abs() <= 0.2).all() and (factors[:, 0] - 1).abs().max() > 0.18
    assert (factors[:, 1] == 1).all()
    assert factors[:, 2].min() < 0.05 and factors[:, 2].max() > 1.95


def test_a_strength_outside_its_range_is_refused() -> None:
    with pytest.raises(ValueError, match=r"jitter.contrast is 1.5"):
        JitterConfig(contrast=1.5)
    assert not JitterConfig().is_on
