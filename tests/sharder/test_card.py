"""The head of a root's card: fields as they are in the records."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import yaml

from replai.core.record import Action, AudioFacts, Moment, SampleRecord, VideoFacts
from sharder.card import card_head, features

ACTION = Action(
    start_seconds=0.5, stop_seconds=1.0, verb="open", noun="door", verb_class=0, noun_class=1
)
RECORD = SampleRecord(
    video_id="a",
    start_seconds=0.0,
    duration_seconds=2.0,
    video=VideoFacts(width=64, height=48, fps=16.0, codec="h264"),
    audio=AudioFacts(sample_rate_hz=16000, channels=1),
    moments=(Moment(seconds=1.0, prominence=2.5),),
    actions=(ACTION,),
)
TYPES = {"int64": int, "float64": float, "string": str}


def assert_described(fields: Mapping[str, Any], value: Any) -> None:
    """As the reference that reads the description the other way round: from the value."""
    if isinstance(value, dict):
        assert [one["name"] for one in fields["struct"]] == list(value)
        for one in fields["struct"]:
            assert_described(one, value[one["name"]])
    elif isinstance(value, list):
        for one in value:
            assert_described({"struct": fields["list"]}, one)
    else:
        assert value is None or type(value) is TYPES[fields["dtype"]]


def test_the_fields_are_those_of_a_record() -> None:
    (described,) = (one for one in features() if one["name"] == "json")
    assert_described(described, json.loads(RECORD.to_json()))


def test_the_head_is_yaml() -> None:
    _, head, rest = card_head("train-a").split("---\n")
    read = yaml.safe_load(head)
    assert rest == ""
    assert read["dataset_info"]["features"] == features()
    assert read["configs"][0]["data_files"] == [
        {"split": "train_a", "path": "shards/train-a-*.tar"}
    ]
