import contextlib
import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replai.core.record import (
    SCHEMA_VERSION,
    STATE_CHANGE,
    Action,
    AudioFacts,
    Moment,
    SampleRecord,
    VideoFacts,
)
from replai.core.timeline import Span

RECORD = SampleRecord(
    video_id="P01_01",
    start_seconds=8.9,
    duration_seconds=12.2,
    video=VideoFacts(width=456, height=256, fps=59.94, codec="h264"),
    audio=AudioFacts(sample_rate_hz=48000, channels=2),
    moments=(Moment(seconds=1.5, prominence=None), Moment(seconds=2.0, prominence=3.25)),
    actions=(
        Action(
            start_seconds=1.0, stop_seconds=3.0, verb="öffnen", noun="door",
            verb_class=3, noun_class=-1, pre_seconds=1.0, pnr_seconds=1.75, post_seconds=None,
        ),
    ),
)  # fmt: skip
FIELDS = json.loads(RECORD.to_json())

times = st.floats(0, 1e6)
classes = st.integers(-1, 10**6)
records = st.builds(
    SampleRecord,
    video_id=st.text(),
    start_seconds=times,
    duration_seconds=times,
    video=st.builds(
        VideoFacts,
        width=st.integers(1, 10**5),
        height=st.integers(1, 10**5),
        fps=times,
        codec=st.text(),
    ),
    audio=st.builds(AudioFacts, sample_rate_hz=classes, channels=st.integers(0, 99)),
    moments=st.lists(
        st.builds(Moment, seconds=times, prominence=st.none() | times), max_size=3
    ).map(tuple),
    actions=st.lists(
        st.builds(
            Action,
            start_seconds=times,
            stop_seconds=times,
            verb=st.text(),
            noun=st.text(),
            verb_class=classes,
            noun_class=classes,
            pre_seconds=st.none() | times,
            pnr_seconds=st.none() | times,
            post_seconds=st.none() | times,
        ),
        max_size=3,
    ).map(tuple),
)


@given(records)
def test_round_trip(record: SampleRecord) -> None:
    data = record.to_json()
    assert SampleRecord.from_json(data) == record
    assert SampleRecord.from_json(data).to_json() == data


def test_fields_are_the_same_whatever_is_missing() -> None:
    bare = replace(RECORD, moments=(), actions=(), audio=AudioFacts(sample_rate_hz=0, channels=0))
    assert list(json.loads(bare.to_json())) == list(FIELDS)
    assert RECORD.has_audio
    assert not bare.has_audio


def test_numbers_that_json_cannot_hold_are_refused() -> None:
    with pytest.raises(ValueError, match="JSON"):
        replace(RECORD, start_seconds=float("nan")).to_json()


@pytest.mark.parametrize("name", FIELDS)
def test_a_missing_field_is_named(name: str) -> None:
    fields = {key: value for key, value in FIELDS.items() if key != name}
    with pytest.raises(ValueError, match=name):
        SampleRecord.from_json(json.dumps(fields).encode())


def test_another_schema_is_refused() -> None:
    fields = {**FIELDS, "schema_version": SCHEMA_VERSION + 1}
    with pytest.raises(ValueError, match=f"{SCHEMA_VERSION + 1}; this software reads"):
        SampleRecord.from_json(json.dumps(fields).encode())


def test_records_of_version_1_are_read() -> None:
    """Their actions have no times of state changes."""
    fields = json.loads(RECORD.to_json())
    fields["schema_version"] = 1
    for name in STATE_CHANGE:
        del fields["actions"][0][name]
    (action,) = RECORD.actions
    bare = replace(action, pre_seconds=None, pnr_seconds=None, post_seconds=None)
    assert SampleRecord.from_json(json.dumps(fields).encode()) == replace(RECORD, actions=(bare,))
    fields["schema_version"] = SCHEMA_VERSION
    with pytest.raises(ValueError, match="pre_seconds"):
        SampleRecord.from_json(json.dumps(fields).encode())


def test_an_action_is_moved_with_all_its_times() -> None:
    (action,) = RECORD.actions
    moved = action.moved(-0.5)
    assert (moved.start_seconds, moved.stop_seconds) == (0.5, 2.5)
    assert (moved.pre_seconds, moved.pnr_seconds, moved.post_seconds) == (0.5, 1.25, None)
    assert (moved.verb, moved.verb_class) == (action.verb, action.verb_class)


def test_an_action_is_cut_and_its_times_outside_are_unknown() -> None:
    (action,) = RECORD.actions
    cut = action.cut(Span(1.5, 2.5))
    assert (cut.start_seconds, cut.stop_seconds) == (1.5, 2.5)
    assert (cut.pre_seconds, cut.pnr_seconds, cut.post_seconds) == (None, 1.75, None)
    assert action.cut(Span(0.0, 9.0)) == action


VIDEO, MOMENT = FIELDS["video"], FIELDS["moments"][0]


@pytest.mark.parametrize(
    "change",
    [
        {"start_seconds": "soon"},
        {"start_seconds": None},
        {"duration_seconds": float("inf")},
        {"duration_seconds": 10**400},
        {"video": None},
        {"video": []},
        {"video": {**VIDEO, "width": "wide"}},
        {"video": {**VIDEO, "height": 0}},
        {"video": {**VIDEO, "width": 10**400}},
        {"actions": [{**FIELDS["actions"][0], "noun_class": 2**63}]},
        {"audio": {"channels": 2}},
        {"moments": 3},
        {"moments": [1.5]},
        {"moments": [{**MOMENT, "seconds": "soon"}]},
        {"moments": [{**MOMENT, "seconds": float("nan")}]},
        {"moments": [{**MOMENT, "seconds": -1e18}]},
        {"moments": [{"seconds": 1.0}]},
        {"actions": [{**FIELDS["actions"][0], "verb_class": None}]},
        {"actions": [{**FIELDS["actions"][0], "pnr_seconds": "soon"}]},
        {"actions": [{**FIELDS["actions"][0], "pnr_seconds": 1e18}]},
    ],
    ids=str,
)
def test_fields_of_another_kind_are_refused(change: dict[str, object]) -> None:
    with pytest.raises(ValueError):
        SampleRecord.from_json(json.dumps({**FIELDS, **change}).encode())


def test_infinity_written_as_a_number_is_refused() -> None:
    data = RECORD.to_json().replace(b'"seconds":1.5', b'"seconds":1e999')
    assert data != RECORD.to_json()
    with pytest.raises(ValueError, match="inf is out of range"):
        SampleRecord.from_json(data)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.sampled_from([*FIELDS]), inner),
    max_leaves=8,
)


@given(st.sampled_from([*FIELDS]), json_values)
def test_any_garbage_in_a_field_is_a_record_or_a_value_error(name: str, value: object) -> None:
    with contextlib.suppress(ValueError):
        SampleRecord.from_json(json.dumps({**FIELDS, name: value}).encode())


@given(st.binary() | json_values.map(lambda value: json.dumps(value).encode()))
@pytest.mark.parametrize("prefix", [b"", b'{"schema_version":1,', b'{"schema_version":2,'])
def test_garbage_is_refused(prefix: bytes, data: bytes) -> None:
    with pytest.raises(ValueError):
        SampleRecord.from_json(prefix + data)


def test_deep_nesting_is_refused() -> None:
    with pytest.raises(ValueError, match="RecursionError"):
        SampleRecord.from_json(b"[" * 100_000)
