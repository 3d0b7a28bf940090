"""A phone's video is stored so that it is seen upright, in both profiles."""

from __future__ import annotations

import io

import av
import numpy as np
import pytest

from replai.core.timeline import Span
from replai.media.probe import probe
from replai.media.rotation import quarter_turns
from replai.media.scale import Geometry
from sharder.encode import CopyProfile, Profile, TranscodeProfile, encode_file
from tests.replai.media.turned import CORNERS, corners, filmed, seen

PROFILES: dict[str, Profile] = {
    "copy": CopyProfile(),
    "transcode": TranscodeProfile(short_side=48, fps=10),
}


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize(("rotation", "left_turns"), [(90, 1), (180, 2), (270, 3)])
def test_both_profiles_store_what_is_seen_upright(
    profile: str, rotation: int, left_turns: int
) -> None:
    segment = encode_file(PROFILES[profile], io.BytesIO(filmed(rotation)), Span(0.0, 1.0))
    assert probe(segment.media).video == segment.video
    width, height = segment.video.width, segment.video.height
    assert (width > height) == (left_turns == 2)
    geometry = Geometry(0, 0, width, height, height, width, False)
    upright = np.rot90(CORNERS, left_turns)
    np.testing.assert_allclose(corners(seen(segment.media, geometry)), upright, atol=6)
    with av.open(io.BytesIO(segment.media)) as media:
        turns = quarter_turns(next(media.decode(video=0)))
    assert turns == ((4 - left_turns) if profile == "copy" else 0)
