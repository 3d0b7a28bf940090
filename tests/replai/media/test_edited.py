"""Frames and sound of MP4s whose edit list cuts pieces out, against decoding everything."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from replai.media.audio import SoundRequest
from replai.media.decode import read_views
from replai.media.scale import Geometry
from replai.media.video import ClipRequest
from tests.replai.media.edited import edited
from tests.replai.media.synthetic import Recipe, chirp_lag_seconds, encoded
from tests.replai.media.test_decode import numbers, on_screen, oracle
from tests.replai.media.test_kinds import OPEN_GOP

WHOLE = Geometry(0, 0, 64, 64, 64, 64, False)
RECIPE = Recipe(b_frames=2, gop=30, chirp_seconds=(0.3, 2.1))
PIECES = {
    "one": ((0.7, 1.7),),
    "cut": ((0.0, 0.5), (1.7, 2.7)),
    "cut at a keyframe": ((0.0, 0.5), (1.0, 2.0)),
    "repeated": ((0.0, 1.5), (0.5, 2.0)),
    "swapped": ((2.0, 3.0), (0.2, 1.2)),
    "three": ((0.0, 0.5), (0.7, 1.2), (1.7, 2.2)),
}


@pytest.mark.parametrize("name", PIECES)
@pytest.mark.parametrize("recipe", [RECIPE, replace(OPEN_GOP, num_frames=90)])
def test_frames_are_those_on_screen(name: str, recipe: Recipe) -> None:
    data = edited(encoded(recipe), *PIECES[name])
    frames = oracle(data)
    seconds = sum(stop - start for start, stop in PIECES[name])
    assert len(frames) == pytest.approx(seconds * 30, abs=2)
    for at in np.arange(0.01, seconds, 0.06).tolist():
        (clip,), _ = read_views(data, [ClipRequest(at, 0.0, 1, WHOLE)], [])
        assert numbers(clip) == [on_screen(frames, at)], at
    clip = ClipRequest(0.0, seconds, 24, WHOLE)
    wanted = [on_screen(frames, s) for s in clip.frame_seconds]
    assert numbers(read_views(data, [clip], [])[0][0]) == wanted


def test_sound_goes_with_its_frames() -> None:
    data = edited(encoded(RECIPE), *PIECES["cut"])
    (sound,) = read_views(data, [], [SoundRequest(0.1, 20000, 16000)])[1]
    assert abs(chirp_lag_seconds(sound.samples[0], 0.3 - 0.1)) < 0.001
    # FFmpeg begins a later edit with a whole packet of sound: up to 1024 samples too early.
    assert abs(chirp_lag_seconds(sound.samples[0], 0.5 + 2.1 - 1.7 - 0.1)) < 0.024
