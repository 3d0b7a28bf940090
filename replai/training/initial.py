"""Where a new run's weights come from: drawn at random, or a checkpoint of AVID, RepLAI or ours."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from itertools import groupby

import torch
from torch import Tensor

from replai.checkpoint import FORMAT, load_checkpoint, load_foreign
from replai.core.errors import UserError
from replai.training.learner import Learner

ENCODERS = ("encoders.video", "encoders.audio")
CONSTANTS = "encoders.log_mel."
"""State that a config determines; never taken from elsewhere."""
RELEASED = {
    "avid": ("video_model", "audio_model"),
    "replai": ("backbone.video", "backbone.audio"),
}
"""Layout -> prefixes of the encoders' keys in it, in the order of ENCODERS."""
MOST_NAMED = 3


@dataclass(frozen=True, kw_only=True)
class InitConfig:
    """Weights to start a new run from: at most one of these, a path or URL. Empty: at random."""

    avid: str = ""
    """A checkpoint released with AVID: encoders, and for the objective "avid" its heads."""
    replai: str = ""
    """A checkpoint of the released RepLAI code: encoders, and heads of the same losses."""
    checkpoint: str = ""
    """A checkpoint of train.py, of any objective: encoders, and heads of the same name and size."""

    def __post_init__(self) -> None:
        if sum(map(bool, (self.avid, self.replai, self.checkpoint))) > 1:
            raise ValueError("give one of avid, replai and checkpoint, not several")

    @property
    def layout(self) -> str:
        """Name of the one that is given; empty if none is."""
        return next((name for name, url in vars(self).items() if url), "")


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


@torch.no_grad()
def initialise(learner: Learner, config: InitConfig) -> str:
    """Copies the configured weights into `learner`; returns what was taken and what not, in lines.

    The encoders are taken whole or not at all: UserError names the tensors that differ. Heads that
    the file has not, or in another size, stay as they were drawn. Of an objective only parameters
    are taken: what it remembers belongs to the items of another dataset. Empty for no weights.
    """
    if not config.layout:
        return ""
    url = getattr(config, config.layout)
    ours, names = _wanted(learner), _names(learner, config.layout)
    theirs = {_renamed(key, names): value for key, value in _tensors(url, config.layout).items()}
    match = match_tensors(ours, theirs)
    _refuse_other_encoders(match, ours, theirs, url)
    for key in match.loaded:
        ours[key].copy_(theirs[key])
    return _report(match, names, f"init.{config.layout}", url)


def _wanted(learner: Learner) -> dict[str, Tensor]:
    """The state of the encoders and the parameters of the objective."""
    parameters = dict(learner.objective.named_parameters(prefix="objective"))
    return {
        key: tensor
        for key, tensor in learner.state_dict().items()
        if (key.startswith("encoders.") and not key.startswith(CONSTANTS)) or key in parameters
    }


def _names(learner: Learner, layout: str) -> dict[str, str]:
    """Prefixes of keys in the file -> ours."""
    if layout == "checkpoint":
        return {"encoders": "encoders", "objective": "objective"}
    heads = learner.objective.released_heads.items()
    encoders = dict(zip(RELEASED[layout], ENCODERS, strict=True))
    return {**encoders, **{released: f"objective.{own}" for own, released in heads}}


def _renamed(key: str, names: Mapping[str, str]) -> str:
    """Our name of their `key`; itself if we have none."""
    for theirs, ours in names.items():
        if key.startswith(f"{theirs}."):
            return ours + key.removeprefix(theirs)
    return key


def _tensors(url: str, layout: str) -> dict[str, Tensor]:
    """All tensors that may be weights in the file at `url`, under the names that it gives them."""
    if layout == "checkpoint":
        state = load_checkpoint(url)
        parts = [(part, state[part].items()) for part in ("encoders", "objective")]
        tensors = {f"{part}.{key}": value for part, items in parts for key, value in items}
        return {key: value for key, value in tensors.items() if not key.startswith(CONSTANTS)}
    state = load_foreign(url)
    model = state.get("model")
    named = model.items() if isinstance(model, dict) else ()
    tensors = {_unwrapped(str(key)): value for key, value in named if isinstance(value, Tensor)}
    found = "checkpoint" if state.get("format") == FORMAT else _layout_of(tensors)
    if found != layout:
        expected = " and ".join(f"{prefix}.*" for prefix in RELEASED[layout])
        remedy = f"it is one for init.{found}" if found else "give a checkpoint as released"
        raise UserError(f"init.{layout}={url} has no {expected} in its `model`; {remedy}")
    return tensors


def _unwrapped(key: str) -> str:
    """`key` without what DataParallel and DDP put into it."""
    return ".".join(part for part in key.split(".") if part != "module")


def _layout_of(keys: Collection[str]) -> str:
    """The released layout that has both encoders among `keys`; empty if none has."""
    for layout, prefixes in RELEASED.items():
        if all(any(key.startswith(f"{prefix}.") for key in keys) for prefix in prefixes):
            return layout
    return ""


def _refuse_other_encoders(
    match: Match, ours: Mapping[str, Tensor], theirs: Mapping[str, Tensor], url: str
) -> None:
    differing = [
        *(f"{key} is {_shape(ours[key])} here, {_shape(theirs[key])} there"
          for key in match.resized if key.startswith(ENCODERS)),
        *(f"{key} is not in the file" for key in match.absent if key.startswith(ENCODERS)),
        *(f"{key} is in the file alone" for key in match.unused if key.startswith(ENCODERS)),
    ]  # fmt: skip
    if differing:
        more = len(differing) - MOST_NAMED
        named = "; ".join(differing[:MOST_NAMED]) + (f"; {more} more differ" if more > 0 else "")
        raise UserError(
            f"{url} holds other encoders than this run has: {named}. Give the run their sizes and "
            "norm (encoders.video, encoders.audio; released encoders have the default ones)"
        )


def _shape(tensor: Tensor) -> str:
    return "x".join(map(str, tensor.shape)) or "a scalar"


def _report(match: Match, names: Mapping[str, str], name: str, url: str) -> str:
    counts = {
        f"  {theirs}.* -> {ours}.*": sum(key.startswith(f"{ours}.") for key in match.loaded)
        for theirs, ours in names.items()
    }
    num_new = len(match.resized) + len(match.absent)
    return "\n".join(
        [
            f"starting from {url}",
            *(f"{line}: {count} tensors" for line, count in counts.items() if count),
            *(f"  new, of another size in the file: {keys}" for keys in _grouped(match.resized)),
            *(f"  new, not in the file: {keys}" for keys in _grouped(match.absent)),
            *(f"  in the file, not used: {keys}" for keys in _grouped(match.unused)),
            f"{name}: {len(match.loaded)} tensors loaded, {num_new} new, "
            f"{len(match.unused)} of the file not used",
        ]
    )


def _grouped(keys: Iterable[str]) -> list[str]:
    """Keys, those of one module together: `head.0.{weight,bias}`."""
    groups = groupby((key.rpartition(".") for key in keys), key=lambda parts: parts[0])
    return [f"{module}.{{{','.join(last for *_, last in rest)}}}" for module, rest in groups]
