from __future__ import annotations

import json
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

import pytest

from replai.core.config import config_dict, config_from_dict, config_yaml, load_config
from replai.core.errors import UserError


class Colour(Enum):
    red = "red"
    green = "green"


@dataclass(frozen=True, kw_only=True)
class Inner:
    learning_rate: float = 0.1
    drop_at: tuple[float, ...] = (0.6, 0.8)
    colour: Colour = Colour.red

    def __post_init__(self) -> None:
        if self.learning_rate <= 0:
            raise ValueError(f"learning_rate is {self.learning_rate}; it must be positive")


@dataclass(frozen=True, kw_only=True)
class Outer:
    out: str = "???"
    steps: int = 3
    optim: Inner = field(default_factory=Inner)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run.yaml"


def test_overrides_win_over_the_file_and_the_file_over_defaults(path: Path) -> None:
    path.write_text("out: here\nsteps: 5\noptim: {learning_rate: 0.5, colour: green}\n")
    config = load_config(Outer, path, ["optim.learning_rate=0.25", "optim.drop_at=[0.5]"])
    expected = Inner(learning_rate=0.25, drop_at=(0.5,), colour=Colour.green)
    assert config == Outer(out="here", steps=5, optim=expected)
    assert load_config(Outer, path, ["steps=6", "steps=7"]).steps == 7


def test_an_empty_file_gives_the_defaults(path: Path) -> None:
    path.write_text("")
    assert load_config(Outer, path, ["out=x"]) == Outer(out="x")


@pytest.mark.parametrize(
    ("text", "key", "nearest"),
    [
        ("step: 5", "step", "steps"),
        ("optim: {lerning_rate: 1}", "optim.lerning_rate", "optim.learning_rate"),
        ("optm: {}", "optm", "optim"),
    ],
)
def test_an_unknown_key_names_the_nearest(path: Path, text: str, key: str, nearest: str) -> None:
    path.write_text(f"out: x\n{text}\n")
    with pytest.raises(UserError, match=f"'{key}' in .*run.yaml; did you mean '{nearest}'"):
        load_config(Outer, path)


def test_an_unknown_key_on_the_command_line_names_the_nearest(path: Path) -> None:
    path.write_text("out: x")
    with pytest.raises(UserError, match=r"'stps' in the command line; did you mean 'steps'"):
        load_config(Outer, path, ["stps=1"])
    with pytest.raises(UserError, match="lerning"):
        load_config(Outer, path, ["optim={lerning_rate: 1}"])


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("steps=many", "steps: .*'many'"),
        ("steps=1.5", r"steps: .*1\.5"),
        ("steps=", "steps: "),
        ("steps=[1", r"run\.yaml: "),
        ("optim=3", "Inner. value: 3"),
        ("optim.colour=blue", "optim.colour: .*blue.*red, green"),
        ("optim.learning_rate=-1", "learning_rate is -1.0; it must be positive"),
        ("out", "'out' is no override; write key=value"),
    ],
)
def test_wrong_values_are_one_line(path: Path, override: str, message: str) -> None:
    path.write_text("out: x")
    with pytest.raises(UserError, match=message) as caught:
        load_config(Outer, path, [override])
    assert "\n" not in str(caught.value)


def test_a_value_that_must_be_given(path: Path) -> None:
    path.write_text("steps: 4")
    with pytest.raises(UserError, match="out"):
        load_config(Outer, path)


@pytest.mark.parametrize("text", [b"a: [", b"5", b"[1, 2]", b"\xff\xfe", b"a: 1\na: 2"])
def test_files_that_are_no_mapping(path: Path, text: bytes) -> None:
    path.write_bytes(text)
    with pytest.raises(UserError, match=r"run\.yaml") as caught:
        load_config(Outer, path)
    assert "\n" not in str(caught.value)


def test_no_such_file(path: Path) -> None:
    with pytest.raises(UserError, match=f"no such config file: {path}"):
        load_config(Outer, path)


def test_round_trips(path: Path) -> None:
    config = Outer(out="x", optim=Inner(drop_at=(0.1, 0.2), colour=Colour.green))
    plain = config_dict(config)
    assert config_from_dict(Outer, json.loads(json.dumps(plain)), "x.pt") == config
    assert config_from_dict(Outer, plain, "x.pt") == config
    with pytest.raises(UserError, match=r"the config in x\.pt: .*newer"):
        config_from_dict(Outer, {**plain, "newer": 1}, "x.pt")
    path.write_text(config_yaml(config))
    assert load_config(Outer, path) == config


@pytest.mark.parametrize(
    "text", ["20251123_1530", "007", "1e3", "12:30", "true", "2025-11-23", "a: b", "'quoted'"]
)
def test_text_on_the_command_line_is_taken_as_it_is_typed(path: Path, text: str) -> None:
    """YAML takes the first four for numbers, and `runs/20251123_1530` for none."""
    path.write_text("")
    expected = {"a: b": None, "'quoted'": "quoted"}.get(text, text)
    if expected is None:  # a mapping: no text in any reading
        with pytest.raises(UserError, match="out"):
            load_config(Outer, path, [f"out={text}"])
    else:
        assert load_config(Outer, path, [f"out={text}", "steps=0x10"]) == Outer(
            out=expected, steps=16
        )


@pytest.mark.parametrize("text", ["20251123_1530", "007", "12:30", "yes"])
def test_a_number_for_text_in_a_file_is_refused(path: Path, text: str) -> None:
    path.write_text(f"out: {text}")
    with pytest.raises(UserError, match=r"out in .*run\.yaml is read as .*put it in quotes"):
        load_config(Outer, path)
    path.write_text(f"out: '{text}'")
    assert load_config(Outer, path).out == text


def test_the_last_override_of_a_key_wins_whatever_is_read_as_a_number(path: Path) -> None:
    path.write_text("")
    for texts in (["x", "5"], ["5", "x"], ["5", "6"], ["007", "12:30"]):
        overrides = [f"out={text}" for text in texts]
        assert load_config(Outer, path, overrides).out == texts[-1]
    assert load_config(Outer, path, ["out=runs/${steps}", "steps=4"]).out == "runs/4"
    for text in ("take #2", "'take #2'"):  # no comment
        assert load_config(Outer, path, [f"out={text}"]).out == "take #2"
    both = load_config(Outer, path, ["out=x", "optim={learning_rate: 1}", "optim.drop_at=[0.5]"])
    assert both.optim == Inner(learning_rate=1.0, drop_at=(0.5,))
