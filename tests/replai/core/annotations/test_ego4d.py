"""Ego4D's files, as published."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from replai.core.annotations import Label, read_annotations
from replai.core.errors import UserError
from replai.core.record import Action
from sharder.timestamps import read_moments
from tests.replai.core.annotations.published import (
    CLIP,
    CLIP_START,
    TAXONOMY,
    VIDEO,
    box,
    ego4d_json,
    fho_main,
    frame,
    lta_clip,
    narrated_action,
    write_ego4d,
)


def labels_of(folder: Path, *actions: dict[str, Any]) -> tuple[Label, ...]:
    return read_annotations(str(write_ego4d(folder / "v2", fho_main(list(actions))))).labels


def test_the_fields_of_fho_main(tmp_path: Path) -> None:
    found = read_annotations(str(write_ego4d(tmp_path / "v2", fho_main([narrated_action()]))))
    (label,) = found.labels
    assert label == Label(
        where="fho_main.json action 8a6f1b5e",
        video_id=VIDEO,
        clip_id=CLIP,
        clip_start_seconds=CLIP_START,
        line=1,
        action=Action(
            start_seconds=2.5, stop_seconds=3.5, verb="take_(pick,_grab,_get)",
            noun="cup_(cup,_glass,_mug)", verb_class=1, noun_class=1, pre_seconds=78 / 30,
            pnr_seconds=90 / 30, post_seconds=99 / 30,
        ),
    )  # fmt: skip
    assert found.verbs.names == dict(enumerate(TAXONOMY["verbs"]))
    assert found.nouns.closed and found.nouns.source == "fho_lta_taxonomy.json"
    assert found.durations == {VIDEO: 8.0, CLIP: 6.0}
    assert found.files == ("fho_main.json", "fho_lta_taxonomy.json", "ego4d.json")


def test_without_a_taxonomy_classes_are_numbered_by_name(tmp_path: Path) -> None:
    actions = [narrated_action(verb=verb, noun=None) for verb in ("wash", "cut ", None)]
    path = tmp_path / "fho_main.json"
    path.write_text(json.dumps(fho_main(actions)))
    found = read_annotations(str(path))
    assert found.verbs.names == {0: "cut", 1: "wash"}
    assert found.verbs.source == "numbered in order of the names in fho_main.json"
    assert [label.action.verb_class for label in found.labels] == [1, 0, -1]
    assert [label.action.noun_class for label in found.labels] == [-1, -1, -1]
    assert (found.durations, found.files) == ({}, ("fho_main.json",))


def test_names_that_the_taxonomy_lacks_have_no_class(tmp_path: Path) -> None:
    (label,) = labels_of(tmp_path, narrated_action(verb="juggle", noun="torch"))
    assert (label.action.verb_class, label.action.noun_class) == (-1, -1)
    assert (label.action.verb, label.action.noun) == ("juggle", "torch")


@pytest.mark.parametrize(
    ("frames", "noun"),
    [
        (None, ""),
        ([], ""),
        ([frame("pnr_frame", 9, box("left_hand", "glove"))], ""),
        ([frame("pre_45", 1, box("object_of_change", "bowl"))], "bowl"),
        (
            [
                frame("post_frame", 9, box("object_of_change", "door")),
                frame("pnr_frame", 7, box("object_of_change", None), box("left_hand", None)),
                frame("contact_frame", 5, box("object_of_change", "bowl")),
            ],
            "bowl",
        ),
    ],
)
def test_the_noun_is_that_of_the_object_that_changes(
    tmp_path: Path, frames: Any, noun: str
) -> None:
    (label,) = labels_of(tmp_path, narrated_action(frames=frames))
    assert label.action.noun == noun


@pytest.mark.parametrize(
    ("frames", "times"),
    [
        (None, (None, None, None)),
        ({"pre_frame": 60, "pnr_frame": None, "post_frame": 75}, (2.0, None, 2.5)),
        ({"pnr_frame": 0}, (None, 0.0, None)),
    ],
)
def test_critical_frames_that_are_missing_are_unknown_times(
    tmp_path: Path, frames: Any, times: tuple[float | None, ...]
) -> None:
    (label,) = labels_of(tmp_path, narrated_action(critical_frames=frames))
    action = label.action
    assert (action.pre_seconds, action.pnr_seconds, action.post_seconds) == times


@pytest.mark.parametrize(
    ("changes", "rejected"),
    [
        ({}, ""),
        ({"is_rejected": True}, "rejected (no reason given)"),
        ({"is_rejected": True, "reject_reason": "no_change"}, "rejected (no_change)"),
        ({"is_invalid_annotation": True}, "an invalid annotation"),
        ({"is_valid_action": False}, "no valid action"),
    ],
)
def test_rejected_actions_say_why(tmp_path: Path, changes: Any, rejected: str) -> None:
    (label,) = labels_of(tmp_path, narrated_action(**changes))
    assert label.rejected == rejected


def test_an_interval_without_clip_and_one_that_is_redacted(tmp_path: Path) -> None:
    main = fho_main([narrated_action(clip_start_sec=None)], clip=None)
    main["videos"][0]["annotated_intervals"].append(
        {**main["videos"][0]["annotated_intervals"][0], "narrated_actions": None, "redacted": True}
    )
    (label,) = read_annotations(str(write_ego4d(tmp_path / "v2", main))).labels
    assert (label.video_id, label.clip_id) == (VIDEO, "")


@pytest.mark.parametrize("taxonomy", [False, True])
def test_the_anticipation_benchmark(tmp_path: Path, taxonomy: bool) -> None:
    clips = [{**lta_clip(0, 0.5, 1.5, 1, 2), "noun": "a door"}, lta_clip(1, 1.0, 4.0, 0, 1)]
    path = tmp_path / "fho_lta_train.json"
    path.write_text(json.dumps({"version": "2.0", "split": "train", "clips": clips}))
    if taxonomy:
        (tmp_path / "fho_lta_taxonomy.json").write_text(json.dumps(TAXONOMY))
    found = read_annotations(str(path))
    first, second = (label.action for label in found.labels)
    assert (first.start_seconds, first.stop_seconds) == (2.5, 3.5)
    assert (first.verb_class, first.noun_class, second.verb_class) == (1, 2, 0)
    assert (second.noun, second.pnr_seconds) == ("cup_(cup,_glass,_mug)", None)
    assert found.labels[1].where == f"fho_lta_train.json clip {CLIP} action 1"
    assert found.verbs.closed == taxonomy
    assert found.verbs.names == {0: TAXONOMY["verbs"][0], 1: TAXONOMY["verbs"][1]}


def test_the_line_of_a_finding_is_that_of_its_video_or_clip(tmp_path: Path) -> None:
    clips = [lta_clip(0, 0.5, 1.5, 1, 2), lta_clip(1, 1.0, 4.0, 0, 1)]
    one, other = (f'{{"{key}": [\n{{}}' for key in ("clips", "videos"))
    (tmp_path / "lta.json").write_text(
        f"{one},\n\n{json.dumps(clips[0])},\n{json.dumps(clips[1])}\n]}}"
    )
    lines = [label.place for label in read_annotations(str(tmp_path / "lta.json")).labels]
    assert lines == [
        f"lta.json clip {CLIP} action {n} (line {line})" for n, line in ((0, 4), (1, 5))
    ]
    (video,) = fho_main([narrated_action(), narrated_action()])["videos"]
    (tmp_path / "main.json").write_text(f"{other},\n{json.dumps(video)}\n]}}")
    labels = read_annotations(str(tmp_path / "main.json")).labels
    assert [label.place for label in labels] == ["main.json action 8a6f1b5e (line 3)"] * 2
    assert "line=" not in repr(labels)  # by which an unfinished pack knows that it may go on


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"start_sec": None}, "line 1: start_sec is None, which is no number (behind fho_main"),
        ({"end_sec": "late"}, "line 1: end_sec is 'late', which is no number"),
        ({"critical_frames": {"pnr_frame": "x"}}, "line 1: pnr_frame is 'x', which is no number"),
        ({"critical_frames": [1]}, "line 1: "),
        ({"frames": [{}]}, "line 1: no field 'frame_type' (behind fho_main.json action 8a6f1b5e)"),
        ({"start_sec": float("nan")}, "line 1: start_sec is nan, which is no number"),
        ({"start_sec": 10**400}, "line 1: start_sec is 1000"),
    ],
)
def test_what_cannot_be_read_is_named(tmp_path: Path, changes: Any, said: str) -> None:
    main = fho_main([narrated_action(), narrated_action(**changes)])
    path = write_ego4d(tmp_path / "v2", main)
    with pytest.raises(UserError) as caught:
        read_annotations(str(path))
    assert str(caught.value).startswith(f"{path} {said}")


@pytest.mark.parametrize("fps", [0, -30.0])
def test_a_rate_that_is_none_is_named(tmp_path: Path, fps: float) -> None:
    main = fho_main([narrated_action()])
    main["videos"][0]["video_metadata"]["fps"] = fps
    path = write_ego4d(tmp_path / "v2", main)
    with pytest.raises(UserError, match=f"{path} line 1: fps is {fps:g}; it must be above 0"):
        read_annotations(str(path))


def test_half_a_pair_of_surrogates_becomes_text_that_can_be_written(tmp_path: Path) -> None:
    action = narrated_action(
        verb="\ud83d cut", noun="\udc00", is_rejected=True, reject_reason="\udfff"
    )
    (label,) = labels_of(tmp_path, action)
    assert (label.action.verb, label.action.noun, label.rejected) == ("? cut", "?", "rejected (?)")


@pytest.mark.parametrize("place", ["v2", ".", "v2/annotations"])
def test_lengths_are_found_where_downloads_have_them(place: str, tmp_path: Path) -> None:
    """The downloader's own layout has them two folders up."""
    path = tmp_path / "v2" / "annotations" / "fho_main.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(fho_main([narrated_action()])))
    (tmp_path / place / "ego4d.json").write_text(json.dumps(ego4d_json(8.0)))
    assert 8.0 in read_annotations(str(path)).durations.values()


def test_a_missing_field_is_named(tmp_path: Path) -> None:
    action = narrated_action()
    del action["is_rejected"]
    path = write_ego4d(tmp_path / "v2", fho_main([action]))
    with pytest.raises(UserError, match=f"{path} line 1: no field 'is_rejected'"):
        read_annotations(str(path))


def test_files_without_actions_are_refused(tmp_path: Path) -> None:
    path = write_ego4d(tmp_path / "v2", fho_main([]))
    for other in (path, path.parent / "fho_lta_taxonomy.json", path.parents[1] / "ego4d.json"):
        with pytest.raises(UserError, match=f"{other} holds no actions; give fho_main.json"):
            read_annotations(str(other))
    (path.parent / "fho_lta_taxonomy.json").write_text('{"verbs": ["take"]}')
    path.write_text(json.dumps(fho_main([narrated_action()])))
    with pytest.raises(UserError, match="has no lists `verbs` and `nouns`"):
        read_annotations(str(path))


def test_points_of_no_return_as_moments(tmp_path: Path) -> None:
    actions = [
        narrated_action(5.0, 6.0),
        narrated_action(),
        narrated_action(),
        narrated_action(4.0, 5.0, is_rejected=True),
        narrated_action(critical_frames=None),
    ]
    moments = read_moments(str(write_ego4d(tmp_path / "v2", fho_main(actions))))
    assert {name: [m.seconds for m in found] for name, found in moments.items()} == {
        VIDEO: [3.0, 5.5],
        CLIP: [1.0, 3.5],
    }
    assert {m.prominence for found in moments.values() for m in found} == {None}


@pytest.mark.parametrize(
    ("source_ids", "counted"),
    [
        ({VIDEO, "other"}, {VIDEO: [3.0]}),
        ({CLIP}, {CLIP: [1.0]}),
        ({VIDEO, CLIP}, {VIDEO: [3.0], CLIP: [1.0]}),
        ({"other"}, {VIDEO: [3.0]}),
    ],
)
def test_a_point_of_no_return_counts_for_the_sources_that_show_it(
    tmp_path: Path, source_ids: set[str], counted: dict[str, list[float]]
) -> None:
    path = write_ego4d(tmp_path / "v2", fho_main([narrated_action()]))
    moments = read_moments(str(path), source_ids)
    assert {name: [m.seconds for m in found] for name, found in moments.items()} == counted
