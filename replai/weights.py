"""Tensors in checkpoint files, whoever wrote them: train.py, AVID's code, RepLAI's code."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from replai.checkpoint import FORMAT, load_checkpoint, load_foreign
from replai.core.config import config_from_dict
from replai.core.errors import UserError
from replai.models import Encoders, EncodersConfig

ENCODERS = ("encoders.video", "encoders.audio")
CONSTANTS = "encoders.log_mel."
"""State that a config determines; never taken from elsewhere."""
RELEASED = {
    "avid": ("video_model", "audio_model"),
    "replai": ("backbone.video", "backbone.audio"),
}
"""Layout -> prefixes of the encoders' keys in it, in the order of ENCODERS."""
MOST_NAMED = 3


@dataclass(frozen=True)
class Match:
    """Keys of a model's tensors, and of those that are to go into it, under the model's names."""

    loaded: list[str]
    """In both, of one shape."""
    resized: list[str]
    """In both, of different shapes."""
    absent: list[str]
    """In the model alone."""
    unused: list[str]
    """In the other alone."""


@dataclass(frozen=True)
class Weights:
    """What a checkpoint file gives a model."""

    tensors: dict[str, Tensor]
    """Under the names that the file gives them."""
    log_mel: dict[str, Any]
    """Settings of the spectrogram that its audio encoder knows; empty where it does not say."""


def match_tensors(ours: Mapping[str, Tensor], theirs: Mapping[str, Tensor]) -> Match:
    """Compares names and shapes."""
    both = [key for key in ours if key in theirs]
    fits = {key: ours[key].shape == theirs[key].shape for key in both}
    return Match(
        loaded=[key for key in both if fits[key]],
        resized=[key for key in both if not fits[key]],
        absent=[key for key in ours if key not in theirs],
        unused=[key for key in theirs if key not in ours],
    )


def load_encoders(url: str, released_form: EncodersConfig | None = None) -> Encoders:
    """The encoders in the checkpoint at `url`, on the CPU.

    One of train.py says their form itself; those released with AVID and RepLAI do not, and have
    `released_form` (the default one). Raises UserError if the file is none of these, or holds other
    encoders.
    """
    state = load_foreign(url)
    if state.get("format") == FORMAT:
        return _own_encoders(state, url)
    tensors = _model_tensors(state)
    layout = _layout_of(tensors)
    if not layout:
        raise UserError(f"{url} is no checkpoint of train.py, nor one as AVID or RepLAI release it")
    with torch.random.fork_rng(devices=[]):
        encoders = Encoders(released_form or EncodersConfig())
    ours = {f"encoders.{key}": value for key, value in encoders.state_dict().items()}
    ours = {key: value for key, value in ours.items() if not key.startswith(CONSTANTS)}
    names = dict(zip(RELEASED[layout], ENCODERS, strict=True))
    theirs = {renamed(key, names): value for key, value in tensors.items()}
    match = match_tensors(ours, theirs)
    refuse_other_encoders(match, ours, theirs, url)
    for key in match.loaded:
        ours[key].copy_(theirs[key])
    return encoders


def _own_encoders(state: dict[str, Any], url: str) -> Encoders:
    form = config_from_dict(EncodersConfig, state["config"]["encoders"], url)
    with torch.random.fork_rng(devices=[]):
        encoders = Encoders(form)
    refuse_other_version(encoders.state_dict(), state["encoders"], url)
    encoders.load_state_dict(state["encoders"])
    return encoders


def own_tensors(state: Mapping[str, Any]) -> dict[str, Tensor]:
    """The encoders' and the objective's in a checkpoint of train.py, by the learner's keys."""
    parts = [(part, state[part].items()) for part in ("encoders", "objective")]
    return {f"{part}.{key}": value for part, items in parts for key, value in items}


def read_weights(url: str, layout: str) -> Weights:
    """All that may be weights in the file at `url`.

    Raises UserError if it is of another layout than `layout`: "checkpoint", "avid" or "replai".
    """
    if layout == "checkpoint":
        own = load_checkpoint(url)
        tensors = {k: v for k, v in own_tensors(own).items() if not k.startswith(CONSTANTS)}
        return Weights(tensors, own["config"]["encoders"].get("log_mel", {}))
    state = load_foreign(url)
    tensors = _model_tensors(state)
    found = "checkpoint" if state.get("format") == FORMAT else _layout_of(tensors)
    if found != layout:
        expected = " and ".join(f"{prefix}.*" for prefix in RELEASED[layout])
        remedy = f"it is one for init.{found}" if found else "give a checkpoint as released"
        raise UserError(f"init.{layout}={url} has no {expected} in its `model`; {remedy}")
    return Weights(tensors, {})


def renamed(key: str, names: Mapping[str, str]) -> str:
    """Our name of their `key`, by prefixes (theirs -> ours); itself if we have none."""
    for theirs, ours in names.items():
        if key.startswith(f"{theirs}."):
            return ours + key.removeprefix(theirs)
    return key


def refuse_other_encoders(
    match: Match, ours: Mapping[str, Tensor], theirs: Mapping[str, Tensor], url: str
) -> None:
    """Raises UserError unless the encoders' tensors are the same in name and shape."""
    if differing := _differing(match, ours, theirs, ENCODERS):
        raise UserError(
            f"{url} holds other encoders than this run has: {differing}. Give the run their sizes "
            "and norm (encoders.video, encoders.audio; released encoders have the default ones)"
        )


def refuse_other_version(
    ours: Mapping[str, Tensor], theirs: Mapping[str, Tensor], url: str
) -> None:
    """Raises UserError unless the state in our checkpoint at `url` is the one we have: as it must
    be where the configs are alike and only this program has changed."""
    if differing := _differing(match_tensors(ours, theirs), ours, theirs):
        raise UserError(
            f"{url} was written by another version of this program: {differing}. Use it with that "
            "version, or give init.checkpoint to a new run"
        )


def _differing(
    match: Match,
    ours: Mapping[str, Tensor],
    theirs: Mapping[str, Tensor],
    prefixes: str | tuple[str, ...] = "",
) -> str:
    """The first tensors that differ, of those that begin so; empty if none does."""
    differing = [
        *(f"{key} is {_shape(ours[key])} here, {_shape(theirs[key])} there"
          for key in match.resized if key.startswith(prefixes)),
        *(f"{key} is not in the file" for key in match.absent if key.startswith(prefixes)),
        *(f"{key} is in the file alone" for key in match.unused if key.startswith(prefixes)),
    ]  # fmt: skip
    more = len(differing) - MOST_NAMED
    return "; ".join(differing[:MOST_NAMED]) + (f"; {more} more differ" if more > 0 else "")


def _model_tensors(state: dict[str, Any]) -> dict[str, Tensor]:
    model = state.get("model")
    named = model.items() if isinstance(model, dict) else ()
    return {_unwrapped(str(key)): value for key, value in named if isinstance(value, Tensor)}


def _unwrapped(key: str) -> str:
    """`key` without what DataParallel and DDP put into it."""
    return ".".join(part for part in key.split(".") if part != "module")


def _layout_of(keys: Collection[str]) -> str:
    """The released layout that has both encoders among `keys`; empty if none has."""
    for layout, prefixes in RELEASED.items():
        if all(any(key.startswith(f"{prefix}.") for key in keys) for prefix in prefixes):
            return layout
    return ""


def _shape(tensor: Tensor) -> str:
    return "x".join(map(str, tensor.shape)) or "a scalar"
