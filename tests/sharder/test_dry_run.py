"""`sharder pack --dry-run` tells what the pack then does, and writes nothing."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from replai.core.annotations import CheckedAnnotations
from replai.core.index import open_index
from sharder.encode import CopyProfile, TranscodeProfile, encode_file
from sharder.engine import LocalEngine
from sharder.estimate import MOST_TRIED, copied_bytes, try_some
from sharder.plan import make_plan, probe_all
from sharder.sources import find_sources
from sharder.timestamps import read_moments
from tests.sharder.command import files_below
from tests.sharder.conftest import Run
from tests.sharder.test_append import fails
from tests.sharder.test_pack import CONFIG, COPYING, OPTIONS, SMALL


@pytest.mark.parametrize("profile", ["copy", "transcode"])
def test_the_plan_is_what_is_then_packed(
    run: Run, videos: Path, moments: Path, tmp_path: Path, profile: str
) -> None:
    root = tmp_path / "root"
    options = COPYING if profile == "copy" else OPTIONS
    command = ("pack", videos, "--moments", moments, "--out", root, *options)
    told = run(*command, "--dry-run")
    assert told.code == 0 and not root.exists()
    assert run(*command).code == 0
    header = open_index(str(root)).header
    figures = dict(line.strip().split(maxsplit=1) for line in told.lines[1:])
    assert told.lines[0] == f"plan for {root}; nothing is written"
    assert figures["videos"] == "3"
    assert figures["hours"].split(";")[0] == f"{18 / 3600:.2f}"
    assert int(figures["moments"].split()[0]) == header.num_moments
    assert figures["segments"] == f"{header.num_samples}, of 2 s"
    assert figures["shards"] == "3, of up to 3 segments"
    assert figures["profile"] == header.profile
    assert f"by {MOST_TRIED} segments made on trial" in figures["time"]
    assert ("bit rates" if profile == "copy" else "on trial") in figures["bytes"]


def test_bytes_are_near_those_of_the_shards(videos: Path, moments: Path, tmp_path: Path) -> None:
    """Copied: a segment has its share of the video; encoded anew: the mean of those tried."""
    sources = find_sources([str(videos)], with_audio_files=False)
    read = read_moments(str(moments))
    plan = make_plan(probe_all(sources, LocalEngine(1)), read, CheckedAnnotations(), CONFIG, 0, {})
    every = plan.segments
    for profile in (CopyProfile(), SMALL):
        real = 0
        for segment in every:
            with Path(segment.url).open("rb") as file:
                real += len(encode_file(profile, file, segment.span).media)
        trial = try_some(every, profile)
        assert trial.made == MOST_TRIED < len(every)
        if isinstance(profile, TranscodeProfile):
            planned = sum(segment.span.duration_seconds for segment in every)
            told = trial.bytes / trial.planned_seconds * planned
        else:
            told = copied_bytes(plan, trial.stored_seconds / trial.planned_seconds)
        assert told == pytest.approx(real, rel=0.4), (told, real)


def test_a_dry_append_counts_what_is_new(
    run: Run, videos: Path, moments: Path, tmp_path: Path
) -> None:
    root = tmp_path / "root"
    arguments = ("--moments", moments, "--out", root, *OPTIONS)
    assert run("pack", videos / "a.mp4", *arguments).code == 0
    before = files_below(root)
    told = run("pack", videos, *arguments, "--append", "--dry-run")
    assert told.code == 0 and files_below(root) == before
    assert f"skipped 1 of 3 sources: already in {root}" in told.lines
    assert re.search(r"^  videos +2$", told.text, re.MULTILINE)
    refused = run("pack", videos, *arguments, "--dry-run")
    assert (refused.code, len(refused.lines)) == (2, 1)


def test_segments_that_cannot_be_made_are_told(
    run: Run, videos: Path, moments: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sharder.encode.transcode_span", fails)
    told = run(
        "pack", videos, "--moments", moments, "--out", tmp_path / "root", *OPTIONS, "--dry-run"
    )
    assert told.code == 0 and told.text.count("unknown (") == 2 and "it is broken" in told.text
