"""Odd sources, each through detect, pack (both profiles), verify and the stream's decode."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from replai.core.record import Moment, SampleRecord
from replai.stream.crops import CropConfig
from replai.stream.decode import DecodeConfig, Decoded, decode_sample
from replai.stream.plan import Place
from replai.stream.sampling import SamplingConfig
from replai.stream.unpack import Unpacked
from replai.views import AudioView, VideoView
from sharder.segments import safe_key
from sharder.timestamps import read_moments
from tests.replai.media.synthetic import (
    Recipe,
    chirp_lag_seconds,
    encoded,
    frames_of,
    number,
)
from tests.sharder.command import Outcome, in_this_process
from tests.sharder.conftest import RECIPE
from tests.sharder.odd_sources import DAMAGED_SECONDS, ODD, Odd
from tests.sharder.test_encode import Shown, shown
from tests.sharder.test_pack import samples

PROFILES = ("copy", "transcode")
OPTIONS = ("--segment-seconds", "4", "--margin-seconds", "0.5", "--workers", "1")
VIEWS = (
    VideoView(name="video", start_seconds=-0.4, duration_seconds=0.8, num_frames=8),
    AudioView(name="audio", start_seconds=-0.4, duration_seconds=0.8, sample_rate_hz=16000),
)
CROP = CropConfig(size_pixels=48, min_short_side=48, max_short_side=48)
DECODE = DecodeConfig(views=VIEWS, sampling=SamplingConfig(), crop=CROP, augment=False, seed=0)
ANY_BYTES = os.fsdecode(b"bytes\xff\xfe.mp4")


@dataclass(frozen=True)
class Packed:
    """What the commands said, and what they made."""

    profile: str
    outcome: Outcome
    checked: Outcome
    samples: dict[str, tuple[SampleRecord, bytes]]

    def of(self, video_id: str) -> list[tuple[SampleRecord, bytes]]:
        """The stored segments of one video, in the order of time."""
        found = [(r, media) for r, media in self.samples.values() if r.video_id == video_id]
        return sorted(found, key=lambda one: one[0].start_seconds)


@cache
def whole(recipe: Recipe) -> bytes:
    return encoded(recipe)


@cache
def truth(recipe: Recipe) -> Shown:
    return shown(whole(recipe))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("odd") / "in"
    made.mkdir()
    for odd in ODD:
        (made / odd.file).write_bytes(odd.found(whole(odd.recipe)))
    (made / ANY_BYTES).write_bytes(whole(RECIPE))
    (made / "empty.mp4").touch()
    (made / "a text.mkv").write_text("no video at all")
    return made


@pytest.fixture(scope="module")
def detected(folder: Path) -> tuple[Outcome, Path]:
    moments = folder.parent / "moments.parquet"
    return in_this_process("detect", folder, "-o", moments, "--workers", "1"), moments


@pytest.fixture(scope="module", params=PROFILES)
def packed(request: pytest.FixtureRequest, folder: Path, detected: tuple[Outcome, Path]) -> Packed:
    root = folder.parent / request.param
    monkeypatch = pytest.MonkeyPatch()
    monkeypatch.setattr("sharder.report.NAMED_AT_MOST", 100)
    command = ("pack", folder, "--moments", detected[1], "--out", root, *OPTIONS)
    size = () if request.param == "copy" else ("--short-side", "48", "--fps", "10")
    outcome = in_this_process(*command, "--profile", request.param, *size)
    monkeypatch.undo()
    checked = in_this_process("verify", root, "--decode-every", "1", "--workers", "1")
    return Packed(request.param, outcome, checked, samples(root))


def read_back(record: SampleRecord, media: bytes, seconds: float) -> Decoded:
    """The views around `seconds` of the source, as a training step gets them."""
    moment = Moment(seconds=seconds - record.start_seconds, prominence=None)
    sample = Unpacked(Place(0, 0, 0, 0, 0), 0, 0, "k", replace(record, moments=(moment,)), media)
    return decode_sample(sample, DECODE)


odd_ones = pytest.mark.parametrize("odd", ODD, ids=lambda odd: odd.file)


def test_chirps_are_found(detected: tuple[Outcome, Path]) -> None:
    outcome, path = detected
    assert outcome.code == 0, outcome
    found = read_moments(str(path))
    for odd in ODD:
        moments = [moment.seconds for moment in found.get(odd.video_id, ())]
        first = odd.recipe.audio_start_seconds
        for seconds in odd.recipe.chirp_seconds:
            if seconds > first and (odd.damage is None or seconds < DAMAGED_SECONDS[0] - 0.2):
                near = [s for s in moments if abs(s - seconds - 0.025) < 0.03]
                assert near, (odd.file, seconds, moments)


def test_what_is_no_media_is_counted_and_named(
    detected: tuple[Outcome, Path], packed: Packed
) -> None:
    assert "skipped 3 sources:" in detected[0].lines
    assert packed.outcome.code == 0 and "skipped 2 sources:" in packed.outcome.lines
    for text in (detected[0].text, packed.outcome.text):
        assert "in/empty.mp4: " in text and "in/a text.mkv: " in text
        assert "the file is empty" in text


def test_verify_finds_no_fault(packed: Packed) -> None:
    assert packed.checked.code == 0, packed.checked
    assert packed.checked.text.endswith("no faults")


@odd_ones
def test_every_second_is_stored_but_the_damaged_ones(odd: Odd, packed: Packed) -> None:
    spans = [
        (record.start_seconds, record.start_seconds + record.duration_seconds)
        for record, _ in packed.of(odd.video_id)
    ]
    if packed.profile == "copy" and not odd.copies:
        assert not spans
        assert f"{safe_key(odd.video_id)}_000000000: cannot be copied" in packed.outcome.text
        return
    if odd.damage:
        assert [start for start, _ in spans] == [pytest.approx(0.0, abs=1e-6)]
        key = f"  {safe_key(odd.video_id)}_0000"
        (line,) = [line for line in packed.outcome.lines if line.startswith(key)]
        assert "damaged" in line
        return
    assert len(spans) == 2
    assert spans[0][0] <= 1e-6 and spans[1][0] <= spans[0][1] - 1.0 and spans[1][1] >= 7.9


@odd_ones
def test_a_training_step_gets_the_sources_pictures(odd: Odd, packed: Packed) -> None:
    slack = 0.0 if packed.profile == "copy" else 0.05  # half a stored frame
    for record, media in packed.of(odd.video_id):
        for ahead in (0.45, record.duration_seconds - 0.45):
            seconds = record.start_seconds + ahead
            clip = read_back(record, media, seconds).views["video"][0]
            for t, frame in zip(seconds - 0.35 + np.arange(8) / 10, frames_of(clip), strict=True):
                assert number(frame) in {truth(odd.recipe).at(t + d) for d in (-slack, 0.0, slack)}


@odd_ones
def test_a_training_step_gets_the_sources_sound(odd: Odd, packed: Packed) -> None:
    # Matroska rounds every time to a millisecond; AVI does not tell the delay of a sound's codec.
    tolerance = {"matroska": 0.0016, "webm": 0.0016, "avi": 0.009}.get(odd.recipe.container, 0.001)
    for record, media in packed.of(odd.video_id):
        assert record.has_audio == (odd.recipe.audio_codec is not None)
        for seconds in odd.recipe.chirp_seconds:
            ahead = seconds - record.start_seconds
            if 0.5 <= ahead <= record.duration_seconds - 0.5:
                heard = read_back(record, media, seconds).views["audio"][0, 0]
                early = odd.recipe.audio_start_seconds > seconds
                assert heard.any() != early
                assert early or abs(chirp_lag_seconds(heard, 0.4)) < tolerance


def test_no_channel_is_lost(packed: Packed) -> None:
    for odd in ODD:
        for record, _ in packed.of(odd.video_id):
            if record.has_audio:
                assert record.audio.channels == odd.recipe.audio_channels, odd.file


def test_names_of_any_bytes_give_keys_of_their_own(packed: Packed) -> None:
    assert len(packed.of("bytes\\xff\\xfe")) == 2
    keys = {key.rpartition("_")[0] for key in packed.samples}
    assert all(key.isascii() and not set(key) & set(" ./\\") for key in keys)
    assert len(keys) == len({record.video_id for record, _ in packed.samples.values()})
