"""Bad input: exit code 2, one line on stderr that names the thing, and nothing left behind."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.sharder.command import Outcome, files_below, in_a_process
from tests.sharder.conftest import Run

ONE = ("--workers", "1")


@pytest.fixture
def place(tmp_path: Path, media: dict[str, bytes]) -> Path:
    """A folder of good and bad things, into which `out` is to be made."""
    for name in ("chirping", "no_sound", "silent"):
        (tmp_path / f"{name}.mp4").write_bytes(media[name])
    (tmp_path / "sound.m4a").write_bytes(media["sound"])
    (tmp_path / "text.mp4").write_text("no video at all")
    (tmp_path / "moments.csv").write_text("video_id,seconds\nchirping,3\n")
    (tmp_path / "strange.csv").write_text("video_id,seconds\nsomebody,3\n")
    (tmp_path / "columns.csv").write_text("video,time\nchirping,3\n")
    (tmp_path / "actions.csv").write_text(
        "video_id,start_seconds,stop_seconds,verb,noun\nchirping,two,3,open,door\n"
    )
    (tmp_path / "backwards.csv").write_text(
        "video_id,start_seconds,stop_seconds,verb,noun\nchirping,2,1,open,door\n"
    )
    (tmp_path / "columns_too.csv").write_text("video_id,start_seconds,stop_seconds,Verb,noun\n")
    (tmp_path / "bad.json").write_text('{"version": "2.0",\n"videos": [{]}')
    (tmp_path / "extension.csv").write_text("video_id,seconds\na,1\nChirping.mp4,3\n")
    (tmp_path / "stranger.csv").write_text(
        "video_id,start_seconds,stop_seconds,verb,noun\nsomebody,1,2,open,door\n"
    )
    for name in ("empty", "mute", "quiet", "texts"):
        (tmp_path / name).mkdir()
    (tmp_path / "empty" / "notes.txt").write_text("")
    (tmp_path / "mute" / "one.mp4").write_bytes(media["no_sound"])
    (tmp_path / "quiet" / "one.mp4").write_bytes(media["silent"])
    (tmp_path / "texts" / "one.mp4").write_text("no video at all")
    (tmp_path / "texts" / "two.mp4").write_text("no video either")
    return tmp_path


def refuses(run: Run, place: Path, arguments: Sequence[str], named: str) -> None:
    before = made_below(place)
    outcome = run(*(argument.replace("@", f"{place}/") for argument in arguments))
    assert_refused(outcome, named.replace("@", f"{place}/"))
    assert made_below(place) == before


def made_below(place: Path) -> dict[str, bytes]:
    """Files below `place`, but for what detect keeps of the sources that it could hear."""
    found = files_below(place).items()
    return {name: data for name, data in found if name[-1] != "/" and ".parquet.parts/" not in name}


def assert_refused(outcome: Outcome, named: str) -> None:
    assert outcome.code == 2, outcome
    assert len(outcome.lines) == 1, outcome
    assert outcome.text.startswith("error: ") and named in outcome.text


DETECT = {
    "no such path": (["@absent.mp4"], "@absent.mp4"),
    "no such store": (["nonsense://bucket/a.mp4"], "nonsense"),
    "a folder without videos": (["@empty"], "no videos below @empty"),
    "a named text": (["@chirping.mp4", "@text.mp4"], "@text.mp4"),
    "a folder of texts": (["@texts"], "@texts/one.mp4"),
    "a video without sound": (["@no_sound.mp4"], "@no_sound.mp4: no sound"),
    "a folder of them": (["@mute"], "@mute/one.mp4: no sound"),
    "silence": (["@silent.mp4"], "no moment of interaction"),
    "a silent folder": (["@quiet"], "no moment of interaction"),
    "two of one id": (["@mute", "@quiet"], "'one'"),
    "no prominence": (["@chirping.mp4", "--min-prominence", "0"], "min_prominence"),
    "a prominence that nothing has": (["@chirping.mp4", "--min-prominence", "99"], "lower --min-"),
    "no workers": (["@chirping.mp4", "--workers", "0"], "--workers is 0"),
    "an output in a file": (["@chirping.mp4", "-o", "@text.mp4/m.parquet"], "@text.mp4/m.parquet"),
    "an output that is a folder": (["@chirping.mp4", "-o", "@empty"], "@empty"),
    "an output that is a text": (["@chirping.mp4", "-o", "@text.mp4"], "@text.mp4 exists"),
}


@pytest.mark.parametrize("case", DETECT)
def test_detect(run: Run, place: Path, case: str) -> None:
    arguments, named = DETECT[case]
    refuses(run, place, ["detect", "-o", "@out/moments.parquet", *ONE, *arguments], named)


GOOD = ["@chirping.mp4", "--moments", "@moments.csv"]
PACK = {
    "no such path": (["@absent", "--moments", "@moments.csv"], "@absent"),
    "no such moments": (["@chirping.mp4", "--moments", "@absent.csv"], "@absent.csv"),
    "moments of others": (["@chirping.mp4", "--moments", "@strange.csv"], "'somebody'"),
    "no column": (
        ["@chirping.mp4", "--moments", "@columns.csv"],
        "columns.csv line 1: no column 'video_id'",
    ),
    "no moments at all": (["@chirping.mp4"], "neither moments nor annotations"),
    "no such annotations": ([*GOOD, "--annotations", "@absent.csv"], "@absent.csv"),
    "a bad annotation": ([*GOOD, "--annotations", "@actions.csv"], "@actions.csv line 2"),
    "a folder without videos": (["@empty", "--moments", "@moments.csv"], "no videos below @empty"),
    "a named text": ([*GOOD, "@text.mp4"], "@text.mp4 is no video"),
    "a named sound": ([*GOOD, "@sound.m4a"], "@sound.m4a is no video: no video stream"),
    "a folder of texts": (["@texts", "--annotations", "@one.csv"], "@one.csv"),
    "a near miss": ([*GOOD, "--annotations", "@columns_too.csv"], "(did you mean 'Verb'?)"),
    "bad JSON": ([*GOOD, "--annotations", "@bad.json"], "@bad.json line 2: no JSON object"),
    "no action is left": (
        ["@chirping.mp4", "--annotations", "@backwards.csv"],
        "none of 1 labelled actions can be packed; the first is empty (no stop after their "
        "start): backwards.csv line 2: chirping 2.00-1.00 s, open door",
    ),
    "ids with extensions": (
        ["@chirping.mp4", "--moments", "@extension.csv"],
        "(there 'Chirping.mp4', here 'chirping')",
    ),
    "none of them annotated": (
        [*GOOD, "--annotations", "@stranger.csv", "--only-annotated"],
        "name none of the sources (there 'somebody', here 'chirping')",
    ),
    "only the annotated of nothing": ([*GOOD, "--only-annotated"], "name none of the sources"),
    "a negative margin": ([*GOOD, "--margin-seconds", "-1"], "margin_seconds is -1.0"),
    "a margin that is no number": ([*GOOD, "--margin-seconds", "nan"], "margin_seconds is nan"),
    "no segment length": ([*GOOD, "--segment-seconds", "0"], "segment_seconds is 0.0"),
    "a length that is no number": ([*GOOD, "--segment-seconds", "nan"], "segment_seconds is nan"),
    "no samples": ([*GOOD, "--samples-per-shard", "0"], "--samples-per-shard is 0"),
    "no frames": ([*GOOD, "--fps", "0"], "fps is 0"),
    "a quality of what is copied": (
        [*GOOD, "--profile", "copy", "--crf", "23"],
        "--crf needs --profile transcode",
    ),
    "a bad quality": ([*GOOD, "--crf", "99"], "crf is 99"),
    "no workers": ([*GOOD, "--workers", "-3"], "--workers is -3"),
    "a split that climbs": ([*GOOD, "--split", "../x"], "../x"),
    "a root in a file": ([*GOOD, "--out", "@text.mp4/root"], "@text.mp4/root"),
    "a root that is a file": ([*GOOD, "--out", "@text.mp4"], "@text.mp4"),
    "somebody's folder": ([*GOOD, "--out", "@empty"], "@empty exists and is no dataset of ours"),
    "no such store": ([*GOOD, "--out", "nonsense://bucket/root"], "nonsense"),
}


@pytest.mark.parametrize("case", PACK)
def test_pack(run: Run, place: Path, case: str) -> None:
    arguments, named = PACK[case]
    refuses(run, place, ["pack", "--out", "@out/root", *ONE, *arguments], named)


def test_a_folder_of_texts_is_no_dataset(run: Run, place: Path) -> None:
    (place / "one.csv").write_text("video_id,seconds\none,3\n")
    arguments = ["pack", "@texts", "--moments", "@one.csv", "--out", "@out/root", *ONE]
    refuses(run, place, arguments, "none of 2 sources is a video (@texts/one.mp4: ")


INSPECT = {
    "no such path": (["@absent.mp4"], "@absent.mp4"),
    "no such store": (["nonsense://bucket/a.mp4"], "nonsense"),
    "a text": (["@text.mp4"], "@text.mp4 is no video or sound file"),
    "a folder of videos": (["@mute"], "@mute is a folder of videos; give one of them, such as"),
    "a folder without videos": (["@empty"], "no videos below @empty"),
    "an unfinished dataset": (["@unfinished"], "@unfinished is no finished dataset"),
    "moments for a dataset": (["@unfinished", "--moments", "@moments.csv"], "is a dataset"),
    "moments of others": (["@chirping.mp4", "--moments", "@strange.csv"], "'chirping' (it has"),
    "no such moments": (["@chirping.mp4", "--moments", "@absent.csv"], "@absent.csv"),
    "labels of others": (["@silent.mp4", "--annotations", "@labels.csv"], "(it has 'chirping')"),
    "a bad annotation": (["@chirping.mp4", "--annotations", "@actions.csv"], "@actions.csv line 2"),
    "no moments to show": (["@chirping.mp4", "--moments-shown", "0"], "--moments-shown"),
    "no segments": (["@unfinished", "--segments", "0"], "--segments"),
    "a negative seed": (["@unfinished", "--seed", "-1"], "seed is -1"),
    "no prominence": (["@chirping.mp4", "--min-prominence", "0"], "min_prominence"),
    "an output that is no page": (["@chirping.mp4", "-o", "@page.pdf"], "@page.pdf"),
    "an output in a file": (["@silent.mp4", "-o", "@text.mp4/p.html"], "@text.mp4/p.png"),
}


@pytest.mark.parametrize("case", INSPECT)
def test_inspect(run: Run, place: Path, case: str) -> None:
    arguments, named = INSPECT[case]
    (place / "labels.csv").write_text(
        "video_id,start_seconds,stop_seconds,verb,noun\nchirping,1,2,open,door\n"
    )
    (place / "unfinished" / "parts").mkdir(parents=True)
    (place / "unfinished" / "parts" / "job.json").write_text("{}")
    refuses(run, place, ["inspect", "-o", "@out/page.html", *ONE, *arguments], named)


WORLD = {
    "no videos": (["--train-videos", "0", "--test-videos", "0"], "at least 1"),
    "too short": (["--seconds", "1"], "duration_seconds is 1.0"),
    "no number": (["--seconds", "nan"], "duration_seconds is nan"),
    "no workers": (["--workers", "0"], "--workers is 0"),
    "a negative seed": (["--seed", "-1"], "seed is -1"),
    "an unknown setting": (["--set", "cluter=3"], "did you mean 'clutter'"),
    "a setting without a value": (["--set", "clutter"], "NAME=VALUE"),
    "a setting that is no number": (["--set", "clutter=3.5"], "must be a whole number"),
    "a setting out of range": (["--set", "variety=2"], "variety is 2.0"),
    "a file": (["-o", "@text.mp4"], "@text.mp4 is a file"),
    "inside a file": (["-o", "@text.mp4/world"], "@text.mp4/world"),
    "somebody's folder": (["-o", "@empty"], "@empty is not empty"),
    "another machine": (["-o", "memory://world"], "memory://world"),
}


@pytest.mark.parametrize("case", WORLD)
def test_world(run: Run, place: Path, case: str) -> None:
    arguments, named = WORLD[case]
    refuses(run, place, ["world", "-o", "@out", *ONE, *arguments], named)


def test_an_unknown_option_is_named(run: Run, place: Path) -> None:
    for command in ("detect", "inspect", "pack", "world"):
        outcome = run(command, place / "chirping.mp4", "--wrokers", "1")
        assert outcome.code == 2
        assert "--wrokers" in outcome.text and "Traceback" not in outcome.text


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is forbidden to root")
def test_a_folder_that_may_not_be_written(run: Run, place: Path) -> None:
    (place / "locked").mkdir(mode=0o555)
    refuses(run, place, ["detect", "@chirping.mp4", "-o", "@locked/m.parquet", *ONE], "@locked")
    refuses(run, place, ["pack", *GOOD, "--out", "@locked/root", *ONE], "@locked")


def test_as_a_process(place: Path) -> None:
    before = made_below(place)
    out = place / "out" / "m.parquet"
    mixed = (place / "chirping.mp4", place / "text.mp4", place / "silent.mp4")
    assert_refused(in_a_process("detect", *mixed, "-o", out, *ONE), "text.mp4")
    root = place / "out" / "root"
    strange = in_a_process("pack", mixed[0], "--moments", place / "strange.csv", "--out", root)
    assert_refused(strange, "'somebody'")
    assert made_below(place) == before


def test_ray_that_is_not_installed(run: Run, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    monkeypatch.delitem(sys.modules, "sharder.ray_engine", raising=False)
    arguments = ("detect", "@chirping.mp4", "-o", "@out.parquet", "--engine", "ray")
    refuses(run, place, arguments, "--engine ray needs Ray: python -m pip install 'ray>=")
    other = (*arguments[:4], "--ray-address", "auto")
    refuses(run, place, other, "--ray-address needs --engine ray")
