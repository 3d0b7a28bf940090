"""A stored segment keeps its source's channels, each in its place."""

from __future__ import annotations

import io
from dataclasses import replace

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from replai.core.timeline import Span
from sharder.encode import CopyProfile, Profile, TranscodeProfile, encode_file
from tests.replai.media.synthetic import TONE_LEVEL, encoded, tone_levels
from tests.replai.media.test_channels import RATE_HZ, toned

PROFILES: dict[str, Profile] = {
    "copy": CopyProfile(),
    "transcode": TranscodeProfile(short_side=64, audio_kbit_per_channel=64),
}


def heard(data: bytes) -> tuple[str, NDArray[np.float32]]:
    """(layout, float32 [channels, n]) of the sound of `data`, by decoding it all."""
    to_float = av.AudioResampler("fltp")
    with av.open(io.BytesIO(data)) as container:
        layout = container.streams.audio[0].layout.name
        frames = [part for frame in container.decode(audio=0) for part in to_float.resample(frame)]
    return layout, np.concatenate([frame.to_ndarray() for frame in frames], axis=1)


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("num_channels", [2, 6])
@pytest.mark.parametrize("codec", ["aac", "pcm_s16le"])
def test_channels_keep_their_order(codec: str, num_channels: int, profile: str) -> None:
    recipe = replace(toned(codec, num_channels), num_frames=90)
    data = encoded(recipe)
    segment = encode_file(PROFILES[profile], io.BytesIO(data), Span(0.4, 2.4))
    layout, samples = heard(segment.media)
    assert layout == heard(data)[0]
    second = samples[:, RATE_HZ // 2 : RATE_HZ * 3 // 2]
    levels = np.array([tone_levels(channel, recipe.channel_tones_hz) for channel in second])
    own = levels.diagonal()
    assert (levels - np.diag(own)).max() < 0.01
    others = np.delete(own, 3) if num_channels == 6 else own
    np.testing.assert_allclose(others, TONE_LEVEL, rtol=0.1)
    assert own.min() > 0.05  # at 16 kHz the encoder leaves a sixth of a subwoofer's tone
