"""`sharder detect`: sources to moments.parquet."""

from __future__ import annotations

from pathlib import Path
from unittest import mock

import pytest

from replai.core.errors import UserError
from replai.core.record import Moment
from sharder.bursts import BurstConfig
from sharder.detect import detect
from sharder.engine import LocalEngine
from sharder.sources import find_sources
from sharder.timestamps import read_moments
from tests.replai.media.synthetic import Recipe, encoded
from tests.replai.media.test_audio import remuxed
from tests.sharder.conftest import CHIRPS, LENGTHS, Run

CONFIG = BurstConfig()


def found_in(folder: Path, output: Path, workers: int = 1) -> dict[str, list[Moment]]:
    detect(
        find_sources([str(folder)], with_audio_files=True),
        str(output),
        CONFIG,
        LocalEngine(workers),
        False,
    )
    return read_moments(str(output))


def seconds_of(moments: list[Moment]) -> list[float]:
    return [moment.seconds for moment in moments]


def test_chirps_are_found_in_every_video(videos: Path, tmp_path: Path) -> None:
    found = found_in(videos, tmp_path / "moments.parquet")
    assert list(found) == list(LENGTHS)
    for name, moments in found.items():
        true = [s for s in CHIRPS if s < LENGTHS[name] / 10]
        for seconds in true:
            # The chirp of 50 ms is loudest in its middle.
            assert any(abs(m.seconds - seconds - 0.025) < 0.03 for m in moments), (name, moments)
        assert len(moments) <= len(true) + 2


def test_sound_files_are_sources_too(media: dict[str, bytes], tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.m4a").write_bytes(media["sound"])
    (tmp_path / "in" / "b.mp4").write_bytes(media["chirping"])
    found = found_in(tmp_path / "in", tmp_path / "moments.parquet")
    assert seconds_of(found["a"]) == pytest.approx(seconds_of(found["b"]), abs=0.02)


def test_one_and_two_workers_give_the_same_bytes(videos: Path, tmp_path: Path) -> None:
    for workers in (1, 2):
        found_in(videos, tmp_path / f"{workers}.parquet", workers)
    assert (tmp_path / "1.parquet").read_bytes() == (tmp_path / "2.parquet").read_bytes()


def test_what_is_left_out_is_counted_and_named(
    run: Run, media: dict[str, bytes], tmp_path: Path
) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "good.mp4").write_bytes(media["chirping"])
    (tmp_path / "in" / "mute.mp4").write_bytes(media["no_sound"])
    (tmp_path / "in" / "text [b].mp4").write_text("no video at all")
    (tmp_path / "in" / "empty.mp4").write_bytes(b"")
    named = tmp_path / "hollow.mkv"  # that declares sound and has none is no reason to stop
    named.write_bytes(encoded(Recipe(container="matroska", audio_seconds=0)))
    outcome = run("detect", tmp_path / "in", named, "-o", tmp_path / "m.parquet", "--workers", "1")
    assert outcome.code == 0
    assert "skipped 4 sources:" in outcome.lines
    assert f"  {named}: no sound" in outcome.lines
    assert f"  {tmp_path}/in/mute.mp4: no sound" in outcome.lines
    assert any(line.startswith(f"  {tmp_path}/in/text [b].mp4: unrea") for line in outcome.lines)
    assert list(read_moments(str(tmp_path / "m.parquet"))) == ["good"]


def test_sound_that_does_not_decode_is_counted_and_named(
    run: Run, videos: Path, tmp_path: Path
) -> None:
    """Also what a run has heard that was stopped before it could say so."""
    recipe = Recipe(chirp_seconds=(0.5, 2.5), num_frames=0)
    (tmp_path / "in").mkdir()
    for name, damage in (("whole", None), ("damaged", 1.5)):
        data = remuxed(encoded(recipe), lambda seconds: True, damage=damage)
        (tmp_path / "in" / f"{name}.mkv").write_bytes(data)
    command = ("detect", tmp_path / "in", "-o", tmp_path / "m.parquet", "--workers", "1")
    with mock.patch("sharder.detect.write_moments", side_effect=KeyboardInterrupt):
        assert run(*command).code == 130
    outcome = run(*command)
    assert outcome.code == 0 and "2 of 2 sources are already heard" in outcome.lines
    assert outcome.lines[1:3] == (
        "1 packets of sound (0.02 s) of 1 sources do not decode; silence was heard there:",
        f"  {tmp_path}/in/damaged.mkv: 1 packets, 0.02 s",
    )


def test_the_same_command_twice_does_nothing(run: Run, videos: Path, tmp_path: Path) -> None:
    output = tmp_path / "new" / "m.parquet"
    command = ("detect", videos, "-o", output, "--workers", "1")
    assert run(*command).code == 0
    before = output.stat().st_mtime_ns
    again = run(*command)
    assert (again.code, len(again.lines)) == (0, 1)
    assert "nothing to do" in again.text and str(output) in again.text
    assert output.stat().st_mtime_ns == before


def test_another_jobs_output_is_kept_unless_told(run: Run, videos: Path, tmp_path: Path) -> None:
    output = tmp_path / "m.parquet"
    command = ("detect", videos / "c.mp4", "-o", output, "--workers", "1")
    assert run("detect", videos / "b.mp4", "-o", output, "--workers", "1").code == 0
    theirs = output.read_bytes()
    refused = run(*command)
    assert (refused.code, len(refused.lines)) == (2, 1)
    assert "--overwrite" in refused.text
    assert run(*command, "--min-prominence", "0.9").code == 2
    assert run(*command, "--detector", "paper").code == 2
    assert output.read_bytes() == theirs
    assert run(*command, "--overwrite").code == 0
    assert list(read_moments(str(output))) == ["c"]


def test_another_files_place_is_never_taken(run: Run, videos: Path, tmp_path: Path) -> None:
    for text in ("", "my notes", "PAR1"):
        (tmp_path / "m.parquet").write_text(text)
        assert run("detect", videos, "-o", tmp_path / "m.parquet", "--workers", "1").code == 2
        assert (tmp_path / "m.parquet").read_text() == text


def test_a_named_file_that_is_no_media_ends_the_run(videos: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.mp4").write_text("no video at all")
    sources = find_sources([str(videos), str(tmp_path / "bad.mp4")], with_audio_files=True)
    for workers in (1, 2):
        with pytest.raises(UserError, match=r"bad\.mp4 is no video or sound file"):
            detect(sources, str(tmp_path / "m.parquet"), CONFIG, LocalEngine(workers), False)
    assert not (tmp_path / "m.parquet").exists()
