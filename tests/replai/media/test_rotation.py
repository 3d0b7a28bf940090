"""What a phone films upright is seen upright."""

from __future__ import annotations

import numpy as np
import pytest

from replai.media.probe import probe
from replai.media.scale import Geometry
from tests.replai.media.turned import CORNERS, HEIGHT, corners, filmed, seen, stored

ROTATIONS = {0: 0, 90: 1, 180: 2, 270: 3, -90: 3, 45: None, 88: 1}  # np.rot90's k, both to the left


@pytest.mark.parametrize("container", ["mp4", "mov", "matroska"])
@pytest.mark.parametrize(("rotation", "left_turns"), ROTATIONS.items())
def test_frames_are_turned_upright(rotation: int, left_turns: int | None, container: str) -> None:
    data = filmed(rotation, container)
    facts = probe(data).video
    assert facts is not None
    if left_turns is None:  # half way between two: either will do, if probe and decode agree
        left_turns = 1 if facts.width == HEIGHT else 0
    whole = np.rot90(stored(), left_turns)
    assert (facts.height, facts.width) == whole.shape[:2]
    geometry = Geometry(0, 0, facts.width, facts.height, facts.height, facts.width, False)
    np.testing.assert_allclose(seen(data, geometry), whole, atol=12)
    flipped = Geometry(0, 0, facts.width, facts.height, 32, 40, True)
    np.testing.assert_allclose(
        corners(seen(data, flipped)), np.rot90(CORNERS, left_turns)[:, ::-1], atol=6
    )


@pytest.mark.parametrize(("rotation", "left_turns"), [(90, 1), (180, 2), (270, 3)])
def test_a_crop_is_of_the_frame_as_displayed(rotation: int, left_turns: int) -> None:
    whole = np.rot90(stored(), left_turns)
    for left, top, width, height in ((4, 6, 50, 40), (0, 22, 30, 42), (14, 0, 50, 64)):
        got = seen(filmed(rotation), Geometry(left, top, width, height, height, width, False))
        expected = whole[top : top + height, left : left + width]
        np.testing.assert_allclose(got, expected, atol=12)
