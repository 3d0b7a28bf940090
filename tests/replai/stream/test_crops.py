import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from replai.core.record import VideoFacts
from replai.stream.crops import CropConfig, centre_crop, random_crop

PAPER = CropConfig()


@st.composite
def configs(draw: st.DrawFn) -> CropConfig:
    size, least, most = sorted(draw(st.tuples(*[st.integers(1, 512)] * 3)))
    return CropConfig(size_pixels=size, min_short_side=least, max_short_side=most)


videos = st.builds(
    VideoFacts,
    width=st.integers(2, 4000),
    height=st.integers(2, 4000),
    fps=st.just(30.0),
    codec=st.just("h264"),
)
HD = VideoFacts(width=456, height=256, fps=30.0, codec="h264")


@given(videos, configs(), st.integers(0, 99))
def test_random_crops_lie_in_the_frame(video: VideoFacts, config: CropConfig, seed: int) -> None:
    crop = random_crop(video, config, np.random.default_rng(seed))
    assert crop == random_crop(video, config, np.random.default_rng(seed))
    assert crop.out_shape == (3, config.size_pixels, config.size_pixels)
    assert crop.crop_left >= 0
    assert crop.crop_top >= 0
    assert crop.crop_left + crop.crop_width <= video.width + 1e-6
    assert crop.crop_top + crop.crop_height <= video.height + 1e-6
    assert crop.crop_width == crop.crop_height
    short_side = config.size_pixels * min(video.width, video.height) / crop.crop_width
    assert config.min_short_side - 1e-6 <= short_side <= config.max_short_side + 1e-6


@given(videos, configs())
def test_the_centre_crop_is_in_the_centre(video: VideoFacts, config: CropConfig) -> None:
    crop = centre_crop(video, config)
    assert not crop.flip
    assert crop.crop_left + crop.crop_width / 2 == pytest.approx(video.width / 2)
    assert crop.crop_top + crop.crop_height / 2 == pytest.approx(video.height / 2)
    side = config.size_pixels * min(video.width, video.height) / config.min_short_side
    assert crop.crop_width == pytest.approx(side)


def test_random_crops_use_the_whole_range() -> None:
    draw = np.random.default_rng(0)
    crops = [random_crop(HD, PAPER, draw) for _ in range(2000)]
    short_sides = [112 * 256 / crop.crop_width for crop in crops]
    assert min(short_sides) < 129
    assert max(short_sides) > 179
    assert np.mean(short_sides) == pytest.approx(154, abs=1)
    across = [crop.crop_left / (456 - crop.crop_width) for crop in crops]
    down = [crop.crop_top / (256 - crop.crop_height) for crop in crops]
    for share in (across, down):
        assert min(share) < 0.01
        assert max(share) > 0.99
        assert np.mean(share) == pytest.approx(0.5, abs=0.03)
    assert abs(np.corrcoef(across, down)[0, 1]) < 0.1
    assert np.mean([crop.flip for crop in crops]) == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize("probability", [0.0, 1.0])
def test_flip_probability(probability: float) -> None:
    draw, config = np.random.default_rng(0), CropConfig(flip_probability=probability)
    assert {random_crop(HD, config, draw).flip for _ in range(50)} == {probability == 1.0}


@pytest.mark.parametrize(
    "change",
    [
        {"size_pixels": 0},
        {"size_pixels": 129},
        {"min_short_side": 181},
        {"flip_probability": 1.1},
        {"flip_probability": float("nan")},
    ],
)
def test_configs_that_make_no_sense(change: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=next(iter(change))):
        CropConfig(**change)  # type: ignore[arg-type]
