"""EPIC-Kitchens-100 and Ego4D, from the downloaded layout to shards."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import pytest

from replai.core.index import open_index
from replai.core.record import SampleRecord
from tests.replai.core.annotations.published import (
    CLIP,
    VIDEO,
    epic_row,
    fho_main,
    narrated_action,
    write_ego4d,
    write_epic,
)
from tests.replai.media.synthetic import encoded
from tests.sharder.conftest import RECIPE, Run
from tests.sharder.test_pack import OPTIONS, samples


@pytest.fixture
def epic(tmp_path: Path, media: dict[str, bytes]) -> Path:
    """Three videos of 8 s as the download script lays them out."""
    for name in ("P01/videos/P01_01.MP4", "P01/videos/P01_101.MP4", "P02/videos/P02_01.MP4"):
        (tmp_path / "EPIC-KITCHENS" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "EPIC-KITCHENS" / name).write_bytes(media["chirping"])
    (tmp_path / "EPIC-KITCHENS" / "readme.txt").write_text("")
    return tmp_path / "EPIC-KITCHENS"


def records(root: Path) -> list[SampleRecord]:
    return [record for record, _ in samples(root).values()]


def actions(root: Path) -> list[tuple[str, float, float, int, int]]:
    """(video id, start and stop on the source's clock, verb class, noun class), sorted."""
    return sorted(
        (
            record.video_id,
            round(action.start_seconds + record.start_seconds, 3),
            round(action.stop_seconds + record.start_seconds, 3),
            action.verb_class,
            action.noun_class,
        )
        for record in records(root)
        for action in record.actions
    )


def test_epic_kitchens_from_its_folders(run: Run, epic: Path, tmp_path: Path) -> None:
    rows = [
        epic_row(),
        epic_row("P01_101", "00:00:02.10", "00:00:02.90", verb=("put-down", 1)),
    ]
    table = write_epic(tmp_path, rows, {"P01_01": 8.0, "P01_101": 8.0})
    command = ("pack", epic, "--annotations", table, "--out", tmp_path / "root", *OPTIONS)
    outcome = run(*command, "--only-annotated")
    assert outcome.code == 0
    assert outcome.lines[0] == "annotations: 2 of 2 actions fit the sources"
    assert outcome.lines[1] == (
        "  read from EPIC_100_train.csv, EPIC_100_verb_classes.csv, EPIC_100_noun_classes_v2.csv, "
        "EPIC_100_video_info.csv"
    )
    assert len(outcome.lines) == 3
    assert {record.video_id for record in records(tmp_path / "root")} == {"P01_01", "P01_101"}
    assert actions(tmp_path / "root") == [("P01_01", 0.5, 1.5, 3, 0), ("P01_101", 2.1, 2.9, 1, 0)]
    header = open_index(str(tmp_path / "root")).header
    assert header.verbs == {"0": "take", "1": "put", "3": "open"}
    card = (tmp_path / "root" / "README.md").read_text()
    assert "| annotations | EPIC_100_train.csv, EPIC_100_verb_classes.csv, " in card
    assert "| verb classes | 3 (EPIC_100_verb_classes.csv) |" in card
    assert "| noun classes | 3 (EPIC_100_noun_classes_v2.csv) |" in card
    assert not (tmp_path / "root" / "annotation-findings.csv").exists()
    assert "nothing to do" in run(*command, "--only-annotated").text


def test_what_is_wrong_is_counted_and_listed(run: Run, epic: Path, tmp_path: Path) -> None:
    rows = [
        epic_row(),
        epic_row(start="00:00:01.00", stop="00:00:02.00", verb=("fly", 97)),
        epic_row(start="00:00:03.00", stop="00:00:03.00"),
        epic_row("P09_01"),
        epic_row(start="00:00:07.50", stop="00:00:12.00"),
        epic_row("P01_101", "00:00:06.50", "00:00:07.50"),
    ]
    table = write_epic(tmp_path, rows, {"P01_01": 8.0, "P01_101": 6.0})
    out = tmp_path / "root"
    outcome = run("pack", epic, "--annotations", table, "--out", out, *OPTIONS)
    assert outcome.code == 0
    assert outcome.lines[:1] + outcome.lines[2:8] == (
        "annotations: 3 of 6 actions fit the sources",
        "  1 empty (no stop after their start): left out; the first: EPIC_100_train.csv line 4: "
        "P01_01 3.00-3.00 s, open tap",
        "  1 of videos that are not among the sources: left out; the first: EPIC_100_train.csv "
        "line 5: P09_01 0.50-1.50 s, open tap",
        "  1 outside their video: left out; the first: EPIC_100_train.csv line 7: P01_101 "
        "6.50-7.50 s, open tap; the video lasts 6.00 s",
        "  1 reaching past an end of their video: cut there; the first: EPIC_100_train.csv line "
        "6: P01_01 7.50-12.00 s, open tap; the video lasts 8.00 s",
        "  1 of an unknown class: packed without its id; the first: EPIC_100_train.csv line 3: "
        "P01_01 1.00-2.00 s, fly tap; verb 'fly' (class 97) is not in EPIC_100_verb_classes.csv",
        "  1 overlapping an earlier one: packed; the first: EPIC_100_train.csv line 3: P01_01 "
        "1.00-2.00 s, fly tap; with EPIC_100_train.csv line 2",
    )
    # The file of P01_101 is longer than EPIC_100_video_info.csv says.
    assert outcome.lines[8:10] == (
        "1 of the sources are not as long as published:",
        "  P01_101: 8.00 s, published are 6.00 s",
    )
    assert outcome.lines[10] == "annotations: 4 of 6 actions fit the sources"
    assert outcome.lines[-1] == f"5 findings in the annotations → {out}/annotation-findings.csv"
    assert actions(out) == [
        ("P01_01", 0.5, 1.5, 3, 0),
        ("P01_01", 1.0, 2.0, -1, 0),
        ("P01_01", 7.5, 8.0, 3, 0),
        ("P01_101", 6.5, 7.5, 3, 0),
    ]
    with (out / "annotation-findings.csv").open() as file:
        found = [(row["finding"], row["where"]) for row in csv.DictReader(file)]
    assert found == [
        ("unknown_class", "EPIC_100_train.csv line 3"), ("empty", "EPIC_100_train.csv line 4"),
        ("absent", "EPIC_100_train.csv line 5"), ("cut", "EPIC_100_train.csv line 6"),
        ("overlapping", "EPIC_100_train.csv line 3"),
    ]  # fmt: skip
    card = (out / "README.md").read_text()
    assert "| of an unknown class: packed without its id | 1 |" in card
    assert "Labelled actions, by name in `annotation-findings.csv`:" in card


def test_findings_come_before_any_video_is_opened(run: Run, tmp_path: Path) -> None:
    (tmp_path / "P01_01.MP4").write_text("no video at all")
    table = write_epic(tmp_path, [epic_row(), epic_row(stop="00:00:00.10")], {"P01_01": 8.0})
    outcome = run("pack", tmp_path, "--annotations", table, "--out", tmp_path / "root", *OPTIONS)
    assert outcome.code == 2
    assert "line 3: P01_01 0.50-0.10 s" in outcome.lines[2]
    assert "none of 1 sources is a video" in outcome.lines[-1]


@pytest.fixture
def ego4d(tmp_path: Path) -> Path:
    """v2/ with one full video of 8 s, and the clip of its last 6 s."""
    main = fho_main([narrated_action(), narrated_action(is_rejected=True, reject_reason="dark")])
    write_ego4d(tmp_path / "v2", main)
    for folder, name, num_frames in (("full_scale", VIDEO, 80), ("clips", CLIP, 60)):
        (tmp_path / "v2" / folder).mkdir()
        recipe = replace(RECIPE, num_frames=num_frames, audio_seconds=num_frames / 10)
        (tmp_path / "v2" / folder / f"{name}.mp4").write_bytes(encoded(recipe))
    return tmp_path / "v2"


@pytest.mark.parametrize(
    ("folder", "name", "shift"), [("full_scale", VIDEO, 0), ("clips", CLIP, 2)]
)
def test_ego4d_full_videos_and_clips(
    run: Run, ego4d: Path, tmp_path: Path, folder: str, name: str, shift: float
) -> None:
    main = ego4d / "annotations" / "fho_main.json"
    out = tmp_path / "root"
    outcome = run(
        "pack", ego4d / folder, "--annotations", main, "--moments", main, "--out", out, *OPTIONS
    )
    assert outcome.code == 0
    assert "1 rejected by their annotators: left out; the first: fho_main.json" in outcome.text
    assert "rejected (dark)" in outcome.text
    assert "of videos that are not among the sources" not in outcome.text
    assert actions(out) == [(name, 2.5 - shift, 3.5 - shift, 1, 1)]
    (record,) = (record for record in records(out) if record.actions)
    (action,) = record.actions
    times = (action.pre_seconds, action.pnr_seconds, action.post_seconds)
    assert [time + record.start_seconds for time in times if time is not None] == pytest.approx(
        [2.6 - shift, 3.0 - shift, 3.3 - shift]
    )
    moments = [m.seconds + r.start_seconds for r in records(out) for m in r.moments]
    assert moments == pytest.approx([3.0 - shift])
    assert "| verb classes | 2 (fho_lta_taxonomy.json) |" in (out / "README.md").read_text()


def test_classes_made_from_names_say_so_in_the_card(run: Run, ego4d: Path, tmp_path: Path) -> None:
    (ego4d / "annotations" / "fho_lta_taxonomy.json").unlink()
    main = ego4d / "annotations" / "fho_main.json"
    out = tmp_path / "root"
    assert run("pack", ego4d / "clips", "--annotations", main, "--out", out, *OPTIONS).code == 0
    card = (out / "README.md").read_text()
    assert "| verb classes | 1 (numbered in order of the names in fho_main.json) |" in card
    assert json.loads((out / "shards.json").read_text())["replai"]["schema_version"] == 2


def test_full_videos_join_clips(run: Run, ego4d: Path, tmp_path: Path) -> None:
    main, out = ego4d / "annotations" / "fho_main.json", tmp_path / "root"
    arguments = ("--annotations", main, "--out", out, *OPTIONS)
    assert run("pack", ego4d / "clips", *arguments).code == 0
    assert run("pack", ego4d, *arguments, "--append").code == 0
    assert actions(out) == sorted([(CLIP, 0.5, 1.5, 1, 1), (VIDEO, 2.5, 3.5, 1, 1)])
    assert "| verb classes | 2 (fho_lta_taxonomy.json) |" in (out / "README.md").read_text()
