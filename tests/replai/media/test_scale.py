"""Crop, scale and flip against arithmetic in floats."""

from __future__ import annotations

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from replai.core.errors import SampleError
from replai.media.decode import read_views
from replai.media.scale import Geometry, Scaler, _snapped
from replai.media.video import ClipRequest
from tests.replai.media.synthetic import Recipe, encoded, frames_of, number


def ramp(width: int, height: int) -> tuple[av.VideoFrame, NDArray[np.float64]]:
    """A smooth yuv420p frame and its exact RGB."""
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    luma = np.round(40 + 150 * x / width).astype(np.uint8)
    planes = [
        luma,
        np.full((height // 2, width // 2), 118),
        np.full((height // 2, width // 2), 140),
    ]
    stacked = np.concatenate([p.astype(np.uint8).ravel() for p in planes])
    frame = av.VideoFrame.from_ndarray(stacked.reshape(height * 3 // 2, width), format="yuv420p")
    grey, blue, red = (luma - 16.0) * 255 / 219, (118 - 128) * 255 / 224, (140 - 128) * 255 / 224
    rgb = [grey + 1.402 * red, grey - 0.344136 * blue - 0.714136 * red, grey + 1.772 * blue]
    return frame, np.clip(np.stack(rgb, -1), 0, 255) + 0 * y[..., None]


@pytest.mark.parametrize("flip", [False, True])
def test_an_unscaled_crop_is_the_exact_pixels(flip: bool) -> None:
    frame, rgb = ramp(128, 96)
    got = np.stack(Scaler(Geometry(20, 10, 64, 48, 48, 64, flip))(frame), -1)
    expected = rgb[10:58, 20:84]
    np.testing.assert_allclose(got, expected[:, ::-1] if flip else expected, atol=1.01)


def test_a_scaled_crop_has_no_bias_and_stays_in_place() -> None:
    frame, rgb = ramp(256, 144)
    scaled = Scaler(Geometry(60, 20, 120, 120, 40, 40, False))(frame)
    got = np.stack(scaled, -1).astype(float)
    expected = rgb[20:140, 60:180].reshape(40, 3, 40, 3, 3).mean(axis=(1, 3))
    assert np.abs((got - expected).mean(axis=(0, 1))).max() < 0.4
    assert np.abs(got - expected)[:, 1:-1].max() < 2


def test_frames_of_odd_size() -> None:
    data = encoded(Recipe(codec="mpeg4", width=151, height=85))
    clip = ClipRequest(1.0, 0.5, 8, Geometry(0, 0, 151, 85, 48, 48, False))
    view = read_views(data, [clip], [])[0][0]
    assert [number(f) for f in frames_of(view)] == [
        int((1.0 + (i + 0.5) / 16) * 30) for i in range(8)
    ]


def test_a_scaler_follows_a_change_of_the_frames() -> None:
    geometry = Geometry(0, 0, 64, 64, 64, 64, False)
    scaler = Scaler(geometry)
    for width in (64, 128, 64):
        frame, _ = ramp(width, 96)
        frame.color_range = 2 if width == 128 else 0
        np.testing.assert_array_equal(scaler(frame), Scaler(geometry)(frame))


def test_snapping_is_to_even_pixels_or_the_edge() -> None:
    assert _snapped(3.2, 50.0, 100, "width") == (4, 50)
    assert _snapped(0.0, 151.0, 151, "width") == (0, 151)
    assert _snapped(100.0, 51.0, 151, "width") == (100, 51)
    assert _snapped(150.4, 0.5, 151, "width") == (150, 1)
    assert _snapped(0.0, 1.0, 1, "width") == (0, 1)
    assert _snapped(95.0, 161.0, 256, "width") == (94, 162)
    for start in np.arange(0, 50, 0.37):
        low, length = _snapped(float(start), 49.3, 101, "width")
        assert low % 2 == 0 and low >= 0 and low + length <= 101
        assert abs(length - 49.3) <= 1
        assert abs(low + length / 2 - start - 49.3 / 2) <= 1


def test_a_square_crop_is_square_wherever_it_lies() -> None:
    for side in np.arange(2.0, 60.0, 0.37):
        lengths = {_snapped(float(s), side, 90, "")[1] for s in np.linspace(0, 90 - side, 40)}
        assert len(lengths) == 1, side


def test_scalers_of_one_kind_of_crop_do_not_disturb_each_other() -> None:
    frame, rgb = ramp(128, 96)
    places = [(0, 0), (20, 10), (0, 10), (64, 48)]
    scalers = [Scaler(Geometry(x, y, 64, 48, 48, 64, False)) for x, y in places]
    for (x, y), scaler in [*zip(places, scalers, strict=True)] * 2:
        got = np.stack(scaler(frame), -1)
        np.testing.assert_allclose(got, rgb[y : y + 48, x : x + 64], atol=1.01)


def test_a_graph_that_failed_is_not_used_again() -> None:
    frames = [ramp(128, 96)[0] for _ in range(3)]
    for pts, frame in enumerate(frames):
        frame.pts = pts
    geometry = Geometry(0, 0, 64, 48, 48, 64, False)
    scaler = Scaler(geometry)
    expected = scaler(frames[0])
    assert scaler._graph is not None
    scaler._graph._head.push(frames[1])  # what an interrupted call leaves behind
    with pytest.raises(AssertionError):
        scaler(frames[2])
    np.testing.assert_array_equal(Scaler(geometry)(frames[0]), expected)


def test_frames_of_another_size_give_the_same_part() -> None:
    """As in a file of two encodings, of which the record states one size."""
    meant = Geometry(16, 8, 32, 24, 24, 32, False, source=(64, 48))
    same, doubled = ramp(64, 48)[0], ramp(128, 96)[0]
    for frame, crop in ((same, (16, 8, 32, 24)), (doubled, (32, 16, 64, 48))):
        expected = Scaler(Geometry(*crop, 24, 32, False))(frame)
        np.testing.assert_array_equal(Scaler(meant)(frame), expected)
    with pytest.raises(SampleError, match="frames of 96x48 where 64x48 were recorded"):
        Scaler(meant)(ramp(96, 48)[0])


def test_a_crop_outside_the_frame_is_refused() -> None:
    frame, _ = ramp(64, 64)
    with pytest.raises(SampleError, match="outside"):
        Scaler(Geometry(10, 0, 64, 64, 32, 32, False))(frame)
    with pytest.raises(ValueError, match="positive"):
        Geometry(0, 0, 0, 10, 32, 32, False)
