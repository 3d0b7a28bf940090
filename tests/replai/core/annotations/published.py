"""Annotation files in exactly the formats that EPIC-Kitchens-100 and Ego4D publish."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

Json = dict[str, Any]

EPIC_HEADER = (
    "narration_id,participant_id,video_id,narration_timestamp,start_timestamp,stop_timestamp,"
    "start_frame,stop_frame,narration,verb,verb_class,noun,noun_class,all_nouns,all_noun_classes\n"
)
EPIC_ROW = (
    "P01_01_0,P01,P01_01,00:00:01.089,00:00:00.14,01:02:03.37,8,202,open door,open,3,door,0,"
    "\"['door', 'cupboard']\",\"[0, 1]\"\n"
)
VERB_CLASSES = """id,key,instances,category
0,take,"['collect-from', 'fetch', 'take']",retrieve
1,put,"['put', 'put-down']",leave
3,open,"['open', 'unlock']",access
"""
NOUN_CLASSES_V2 = """"id","key","instances","category"
0,"tap","['tap', 'tap:water']","appliances"
1,"spoon","['spoon', 'teaspoon']","cutlery"
18,"board:chopping","['board:chopping', 'board']","utensils"
"""
VIDEO_INFO_HEADER = "video_id,duration,fps,resolution\n"


def epic_row(
    video_id: str = "P01_01",
    start: str = "00:00:00.50",
    stop: str = "00:00:01.50",
    verb: tuple[str, int] = ("open", 3),
    noun: tuple[str, int] = ("tap", 0),
) -> str:
    """A row of EPIC_100_train.csv."""
    return (
        f"{video_id}_0,{video_id[:3]},{video_id},00:00:01.089,{start},{stop},8,202,"
        f"{verb[0]} {noun[0]},{verb[0]},{verb[1]},{noun[0]},{noun[1]},['{noun[0]}'],[{noun[1]}]\n"
    )


def write_epic(folder: Path, rows: Iterable[str], lengths: dict[str, float]) -> Path:
    """EPIC_100_train.csv and the lists that the repository has beside it."""
    (folder / "EPIC_100_verb_classes.csv").write_text(VERB_CLASSES)
    (folder / "EPIC_100_noun_classes_v2.csv").write_text(NOUN_CLASSES_V2)
    info = "".join(f"{name},{length},50.0,1920x1080\n" for name, length in lengths.items())
    (folder / "EPIC_100_video_info.csv").write_text(VIDEO_INFO_HEADER + info)
    (folder / "EPIC_100_train.csv").write_text(EPIC_HEADER + "".join(rows))
    return folder / "EPIC_100_train.csv"


VIDEO = "26202090-684d-4be8-b3cc-de04da827e91"
CLIP = "a102c79b-405b-4a13-b21e-ab7dc6135b22"
CLIP_START = 2.0
FPS = 30.0


def box(object_type: str, noun: str | None) -> Json:
    """One box of a frame."""
    return {
        "object_type": object_type, "structured_noun": noun, "freeform_noun": None,
        "unsure_noun": False, "instance_number": 1,
        "bbox": {"x": 10.5, "y": 20.0, "width": 30.0, "height": 40.0},
    }  # fmt: skip


def frame(frame_type: str, number: int, *boxes: Json) -> Json:
    """One annotated frame of an action."""
    return {"frame_number": number, "frame_type": frame_type, "boxes": list(boxes)}


def narrated_action(
    start: float = 2.5,
    stop: float = 3.5,
    verb: str | None = "take_(pick,_grab,_get)",
    noun: str | None = "cup_(cup,_glass,_mug)",
    **changes: Any,
) -> Json:
    """An entry of `narrated_actions`, with every field of the published schema."""
    first = round(start * FPS)
    critical = {
        "pre_45": first - 42, "pre_30": first - 27, "pre_15": first - 12, "pre_frame": first + 3,
        "contact_frame": first + 6, "pnr_frame": first + 15, "post_frame": first + 24,
    }  # fmt: skip
    shown = box("object_of_change", noun)
    return {
        "warnings": [],
        "uid": "8a6f1b5e",
        "start_sec": start,
        "end_sec": stop,
        "start_frame": first,
        "end_frame": round(stop * FPS),
        "is_valid_action": True,
        "is_partial": False,
        "clip_start_sec": start - CLIP_START,
        "clip_end_sec": stop - CLIP_START,
        "clip_start_frame": first - round(CLIP_START * FPS),
        "clip_end_frame": round((stop - CLIP_START) * FPS),
        "narration_timestamp_sec": start + 0.4,
        "clip_narration_timestamp_sec": start + 0.4 - CLIP_START,
        "narration_text": "#C C picks a cup",
        "narration_annotation_uid": "1c2d",
        "structured_verb": verb,
        "freeform_verb": None,
        "state_transition": "position_change",
        "critical_frames": critical,
        "clip_critical_frames": {k: v - round(CLIP_START * FPS) for k, v in critical.items()},
        "frames": [
            frame("pre_frame", critical["pre_frame"], box("left_hand", None)),
            frame("pnr_frame", critical["pnr_frame"], box("right_hand", None), shown),
        ],
        "is_rejected": False,
        "is_invalid_annotation": False,
        "reject_reason": None,
        "stage": "annotation",
        **changes,
    }


def fho_main(actions: list[Json], video: str = VIDEO, clip: str | None = CLIP) -> Json:
    """fho_main.json with one video of 8 s, of which one clip is annotated."""
    interval = {
        "clip_id": "451",
        "clip_uid": clip,
        "start_sec": CLIP_START,
        "end_sec": 8.0,
        "clip_parent_start_sec": CLIP_START,
        "clip_parent_end_sec": 8.0,
        "narrated_actions": actions,
        "start_frame": 60,
        "end_frame": 240,
        "clip_parent_start_frame": 60,
        "clip_parent_end_frame": 240,
        "redacted": False,
    }
    metadata = {
        "video_start_pts": 0, "video_base_numerator": 1, "video_base_denominator": 15360,
        "duration_sec": 8.0, "num_frames": 240, "fps": FPS, "width": 1440, "height": 1080,
        "rotation": None,
    }  # fmt: skip
    return {
        "version": "2.0",
        "date": "230208",
        "description": "FHO Master Annotation",
        "metadata": "s3://ego4d-consortium-sharing/public/v2/ego4d.json",
        "videos": [
            {"annotated_intervals": [interval], "video_metadata": metadata, "video_uid": video}
        ],
    }


def lta_clip(index: int, start: float, stop: float, verb: int, noun: int) -> Json:
    """An entry of `clips` in fho_lta_train.json; times on the clip's clock."""
    return {
        "video_uid": VIDEO,
        "clip_uid": CLIP,
        "clip_parent_start_sec": CLIP_START,
        "clip_parent_end_sec": 8.0,
        "clip_parent_start_frame": 60,
        "clip_parent_end_frame": 240,
        "interval_start_frame": 60,
        "interval_end_frame": 240,
        "interval_start_sec": CLIP_START,
        "interval_end_sec": 8.0,
        "verb": TAXONOMY["verbs"][verb],
        "noun": TAXONOMY["nouns"][noun],
        "action_clip_start_sec": start,
        "action_clip_end_sec": stop,
        "action_clip_start_frame": round(start * FPS),
        "action_clip_end_frame": round(stop * FPS),
        "clip_id": 451,
        "action_idx": index,
        "verb_label": verb,
        "noun_label": noun,
    }


TAXONOMY = {
    "verbs": ["put_(place,_leave,_drop)", "take_(pick,_grab,_get)"],
    "nouns": ["bowl", "cup_(cup,_glass,_mug)", "door"],
}


def ego4d_json(video_seconds: float = 8.0) -> Json:
    """The part of ego4d.json that concerns one video and its clip."""
    return {
        "date": "230208",
        "version": "v2_0",
        "description": "Ego4d Video Release",
        "videos": [
            {
                "video_uid": VIDEO, "duration_sec": video_seconds, "scenarios": ["Cooking"],
                "video_metadata": {"fps": FPS, "num_frames": 240, "video_codec": "vp9"},
                "split_em": None, "split_av": None, "split_fho": "train",
                "has_redacted_regions": False, "redacted_intervals": [], "gaps": None,
            }
        ],
        "concurrent_video_sets": [],
        "physical_settings": [],
        "clips": [
            {
                "clip_uid": CLIP, "video_uid": VIDEO, "video_start_sec": CLIP_START,
                "video_end_sec": video_seconds, "video_start_frame": 60, "video_end_frame": 240,
                "clip_metadata": {"fps": FPS}, "s3_path": "s3://b/c.mp4", "manifold_path": "m",
            }
        ],
    }  # fmt: skip


def write_ego4d(folder: Path, main: Json, video_seconds: float = 8.0) -> Path:
    """As `ego4d --datasets annotations` lays it out below v2/; returns fho_main.json."""
    (folder / "annotations").mkdir(parents=True)
    (folder / "ego4d.json").write_text(json.dumps(ego4d_json(video_seconds)))
    (folder / "annotations" / "fho_lta_taxonomy.json").write_text(json.dumps(TAXONOMY))
    (folder / "annotations" / "fho_main.json").write_text(json.dumps(main))
    return folder / "annotations" / "fho_main.json"
