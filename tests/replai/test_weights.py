"""Encoders out of any checkpoint: ours, AVID's, RepLAI's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import fsspec
import pytest
import torch

from replai.checkpoint import load_checkpoint, save_checkpoint
from replai.core import storage
from replai.core.config import config_dict
from replai.core.errors import UserError
from replai.models import Encoders
from replai.weights import load_encoders
from tests.replai.training.released import (
    Model,
    avid_shapes,
    random_model,
    replai_shapes,
    write_avid,
    write_replai,
)
from tests.replai.training.runs import TINY_ENCODERS


@pytest.mark.parametrize(
    ("shapes", "write", "prefix"),
    [(avid_shapes, write_avid, "video_model"), (replai_shapes, write_replai, "backbone.video")],
)
def test_released_encoders(
    tmp_path: Path,
    shapes: Callable[[], dict[str, tuple[int, ...]]],
    write: Callable[[Path, Model], None],
    prefix: str,
) -> None:
    model = random_model(shapes())
    write(tmp_path / "released.pt", model)
    loaded = load_encoders(str(tmp_path / "released.pt")).video.state_dict()
    assert loaded
    assert all(torch.equal(value, model[f"{prefix}.{key}"]) for key, value in loaded.items())
    with pytest.raises(UserError, match=r"other encoders than this run has: encoders\.video"):
        load_encoders(str(tmp_path / "released.pt"), TINY_ENCODERS)


def test_ours_say_their_own_form_wherever_they_lie() -> None:
    form = replace(TINY_ENCODERS, standardise=True)
    encoders = Encoders(form)
    state = {"encoders": encoders.state_dict(), "config": {"encoders": config_dict(form)}}
    save_checkpoint("memory://weights/checkpoint.pt", state)
    random_state = torch.get_rng_state()
    loaded = load_encoders("memory://weights/checkpoint.pt")
    assert loaded.config == form
    assert torch.equal(torch.get_rng_state(), random_state)
    for key, value in encoders.state_dict().items():
        assert torch.equal(loaded.state_dict()[key], value)


@pytest.mark.parametrize("where", ["memory://weights/damaged.pt", "damaged.pt"])
def test_a_damaged_checkpoint_is_refused(where: str, tmp_path: Path) -> None:
    """torch itself reads it without a word."""
    url = where if "://" in where else str(tmp_path / where)
    encoders = Encoders(TINY_ENCODERS).state_dict()
    state = {"encoders": encoders, "config": {"encoders": config_dict(TINY_ENCODERS)}}
    save_checkpoint(url, state)
    whole = storage.read_bytes(url)
    weights = encoders["video.conv1.0.weight"].numpy().tobytes()
    at = whole.index(weights)
    storage.write_bytes(url, whole[:at] + b"\xff\xff" + whole[at + 2 :])
    for load in (load_checkpoint, load_encoders):
        with pytest.raises(UserError, match=r"damaged\.pt is damaged \(.*data/\d+\)"):
            load(url)


def test_ours_of_another_version_is_named() -> None:
    encoders, url = Encoders(TINY_ENCODERS).state_dict(), "memory://weights/older.pt"
    del encoders["video.conv1.1.running_var"]
    form = config_dict(TINY_ENCODERS)
    save_checkpoint(url, {"encoders": encoders, "config": {"encoders": form}})
    with pytest.raises(UserError, match=r"another version .*: video\.conv1\.1\.running_var is not"):
        load_encoders(url)
    save_checkpoint(url, {"encoders": encoders, "config": {"encoders": {**form, "depth": 3}}})
    with pytest.raises(UserError, match=r"the config in memory://weights/older\.pt: .*depth"):
        load_encoders(url)


def test_any_other_file_is_refused(tmp_path: Path) -> None:
    torch.save({"model": {"layer": torch.ones(3)}}, tmp_path / "other.pt")
    with pytest.raises(UserError, match=r"other\.pt is no checkpoint of train\.py, nor one as"):
        load_encoders(str(tmp_path / "other.pt"))
    with fsspec.open("memory://weights/text.pt", "wb") as file:
        file.write(b"hello")
    with pytest.raises(UserError, match=r"text\.pt is no torch checkpoint"):
        load_encoders("memory://weights/text.pt")
