"""Ego4D's annotations of hands and objects, as published (ego4d-data.org, Annotation Schemas).

fho_main.json (v2, about 2 GB, read piece by piece)
    videos[]: video_uid, video_metadata.fps, annotated_intervals[]: clip_uid (or null),
    narrated_actions[]: uid, start_sec, end_sec, clip_start_sec, structured_verb (or null),
    freeform_verb, is_rejected, reject_reason, is_invalid_annotation, is_valid_action,
    critical_frames, frames, and further fields that are not read
fho_lta_train.json, fho_lta_val.json (the long-term anticipation benchmark)
    clips[]: video_uid, clip_uid, clip_parent_start_sec, action_idx, action_clip_start_sec,
    action_clip_end_sec, verb, verb_label, noun, noun_label
fho_lta_taxonomy.json, beside them       verbs[], nouns[]: a name's place is its class id
ego4d.json, beside them or one folder up
    videos[]: video_uid, duration_sec; clips[]: clip_uid, video_start_sec, video_end_sec

Published are full videos (full_scale/VIDEO_UID.mp4) and clips of them (clips/CLIP_UID.mp4); an
action is found in both.

The schema gives no types for `critical_frames` and `frames`, nor a word on nouns. What stands
here follows programs that read the real file: `critical_frames` is null or an object of frame
numbers of the full video, counted from 0 (pre_45, pre_30, pre_15, pre_frame, contact_frame,
pnr_frame, post_frame; any may be null), so a time is the number over `fps`; `frames` is null or
a list of {frame_type, boxes[]: {object_type, structured_noun}}, and an action's noun is that of
its `object_of_change`, best seen in the pnr_frame. Not sure: whether every `structured_verb` and
`structured_noun` is in the anticipation taxonomy (one that is not is counted and listed), and
whether start_sec and end_sec bound the action, or the 8 s that its annotators were shown.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

from replai.core.annotations.companion import companions
from replai.core.annotations.json_items import json_items
from replai.core.annotations.labels import Annotations, Classes, Label, file_name, with_class_ids
from replai.core.annotations.spelling import one_spelling
from replai.core.annotations.tables import finite
from replai.core.errors import UserError
from replai.core.record import Action

TAXONOMY_LISTS = ("fho_lta_taxonomy.json",)
METADATA_LISTS = ("ego4d.json", "../ego4d.json", "../../ego4d.json")
"""Ego4D's own downloader writes OUT/v2/annotations/fho_main.json and OUT/ego4d.json."""
SEEN_BEST = ("pnr_frame", "contact_frame", "post_frame", "pre_frame")
"""Where an action's object is looked for, in this order, and then in all other frames."""

Json = dict[str, Any]
T = TypeVar("T")


def read_ego4d(url: str) -> Annotations:
    """The labels of fho_main.json or an fho_lta file, with the lists that stand beside it.

    Raises UserError that names the file and the action for a field that is missing or wrong.
    """
    labels: list[Label] = []
    named = False
    for key, value, line in json_items(url):
        if key == "videos" and isinstance(value, dict) and "annotated_intervals" in value:
            labels += _read(url, line, _main_labels(value, file_name(url), line))
        elif key == "clips" and isinstance(value, dict) and "action_clip_start_sec" in value:
            labels += _read(url, line, _anticipation_labels(value, file_name(url), line))
            named = True
    if not labels:
        raise UserError(f"{url} holds no actions; give fho_main.json or fho_lta_train.json")
    return _with_companions(url, tuple(labels), named)


def _with_companions(url: str, labels: tuple[Label, ...], named: bool) -> Annotations:
    """`labels` with their class ids. `named`: these are in the file itself."""
    taxonomy, metadata = companions(url, TAXONOMY_LISTS, METADATA_LISTS)
    actions = [label.action for label in labels]
    if taxonomy:
        verbs, nouns = _taxonomy(taxonomy)
    elif named:
        verbs = Classes.occurring(((a.verb_class, a.verb) for a in actions), file_name(url))
        nouns = Classes.occurring(((a.noun_class, a.noun) for a in actions), file_name(url))
    else:
        verbs = Classes.numbered((a.verb for a in actions), file_name(url))
        nouns = Classes.numbered((a.noun for a in actions), file_name(url))
    return Annotations(
        labels=labels if named else with_class_ids(labels, verbs=verbs, nouns=nouns),
        verbs=verbs,
        nouns=nouns,
        durations=_durations(metadata) if metadata else {},
        files=tuple(file_name(one) for one in (url, taxonomy, metadata) if one),
    )


def _main_labels(video: Json, source: str, line: int) -> Iterator[Label]:
    fps = _number(video["video_metadata"], "fps")
    if fps <= 0:
        raise ValueError(f"fps is {fps:g}; it must be above 0")
    for interval in video["annotated_intervals"]:
        for action in interval["narrated_actions"] or ():
            yield Label(
                where=f"{source} action {_text(action['uid'])}",
                video_id=_text(video["video_uid"]),
                clip_id=_text(interval["clip_uid"] or ""),
                clip_start_seconds=_clip_start(action) if interval["clip_uid"] else 0.0,
                rejected=_rejected(action),
                line=line,
                action=_main_action(action, fps),
            )


def _clip_start(action: Json) -> float:
    """Where the clip starts in the video: the action's times on both clocks say it."""
    return _number(action, "start_sec") - _number(action, "clip_start_sec")


def _main_action(fields: Json, fps: float) -> Action:
    return Action(
        start_seconds=_number(fields, "start_sec"),
        stop_seconds=_number(fields, "end_sec"),
        verb=_name(fields["structured_verb"] or fields.get("freeform_verb") or ""),
        noun=_noun(fields["frames"] or ()),
        verb_class=-1,
        noun_class=-1,
        **dict(_state_change(fields["critical_frames"] or {}, fps)),
    )


def _state_change(frames: Json, fps: float) -> Iterator[tuple[str, float]]:
    """(field of an action, seconds), of the critical frames that are known."""
    for name in ("pre", "pnr", "post"):
        if frames.get(f"{name}_frame") is not None:
            yield f"{name}_seconds", _number(frames, f"{name}_frame") / fps


def _text(value: object) -> str:
    """`value` as text that can be written: JSON may hold half of a pair of surrogates."""
    return str(value).encode(errors="replace").decode()


def _name(value: object) -> str:
    return one_spelling(_text(value))


def _number(fields: Json, name: str) -> float:
    try:
        return finite(fields[name])
    except (TypeError, ValueError, OverflowError):
        raise ValueError(f"{name} is {fields[name]!r}, which is no number") from None


def _noun(frames: Sequence[Json]) -> str:
    """Of the object that is changed; empty where no frame shows it under a name."""
    order = {name: place for place, name in enumerate(SEEN_BEST)}
    for frame in sorted(frames, key=lambda f: order.get(f["frame_type"], len(order))):
        for box in frame["boxes"] or ():
            if box["object_type"] == "object_of_change" and box["structured_noun"]:
                return _name(box["structured_noun"])
    return ""


def _rejected(action: Json) -> str:
    if action["is_rejected"]:
        return f"rejected ({_text(action.get('reject_reason') or 'no reason given')})"
    if action["is_invalid_annotation"]:
        return "an invalid annotation"
    return "" if action.get("is_valid_action", True) else "no valid action"


def _anticipation_labels(action: Json, source: str, line: int) -> Iterator[Label]:
    shift = _number(action, "clip_parent_start_sec")
    yield Label(
        where=f"{source} clip {_text(action['clip_uid'])} action {action['action_idx']}",
        video_id=_text(action["video_uid"]),
        clip_id=_text(action["clip_uid"]),
        clip_start_seconds=shift,
        line=line,
        action=Action(
            start_seconds=_number(action, "action_clip_start_sec") + shift,
            stop_seconds=_number(action, "action_clip_end_sec") + shift,
            verb=_name(action["verb"]),
            noun=_name(action["noun"]),
            verb_class=int(_number(action, "verb_label")),
            noun_class=int(_number(action, "noun_label")),
        ),
    )


def _taxonomy(url: str) -> tuple[Classes, Classes]:
    """The verb and the noun classes."""
    names: dict[str, list[str]] = {"verbs": [], "nouns": []}
    for key, name, _ in json_items(url):
        if key in names:
            names[key].append(_name(name))
    if not all(names.values()):
        raise UserError(f"{url} has no lists `verbs` and `nouns`")
    verbs, nouns = (
        Classes(dict(enumerate(names[key])), file_name(url), closed=True) for key in names
    )
    return verbs, nouns


def _durations(url: str) -> dict[str, float]:
    """Length in seconds of every full video and every clip."""
    found: list[tuple[str, float]] = []
    for key, value, line in json_items(url):
        if key in ("videos", "clips"):
            found += _read(url, line, _length(key, value))
    return dict(found)


def _length(key: str, fields: Json) -> Iterator[tuple[str, float]]:
    if key == "videos":
        yield str(fields["video_uid"]), _number(fields, "duration_sec")
    else:
        length = _number(fields, "video_end_sec") - _number(fields, "video_start_sec")
        yield str(fields["clip_uid"]), length


def _read(url: str, line: int, items: Iterator[T]) -> list[T]:
    """All `items`. A field that is missing or of a wrong kind is a UserError with file and line."""
    found: list[T] = []
    try:
        found.extend(items)
    except KeyError as error:
        raise UserError(f"{url} line {line}: no field {error}{_behind(found)}") from None
    except (TypeError, ValueError, AttributeError) as error:
        raise UserError(f"{url} line {line}: {error}{_behind(found)}") from None
    return found


def _behind(found: Sequence[object]) -> str:
    last = found[-1] if found else None
    return f" (behind {last.where})" if isinstance(last, Label) else ""
