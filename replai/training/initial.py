"""Where a new run's weights come from: drawn at random, or a checkpoint of AVID, RepLAI or ours."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby

import torch
from torch import Tensor

from replai.core.urls import without_secrets
from replai.training.learner import Learner
from replai.weights import (
    CONSTANTS,
    ENCODERS,
    RELEASED,
    Match,
    match_tensors,
    read_weights,
    refuse_other_encoders,
    renamed,
)


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


@torch.no_grad()
def initialise(learner: Learner, config: InitConfig) -> str:
    """Copies the configured weights into `learner`; returns what was taken and what not, in lines.

    The encoders are taken whole or not at all: UserError names the tensors that differ. Heads that
    the file has not, or in another size, stay as they were drawn. Of an objective only parameters
    are taken: what it remembers belongs to the items of another dataset. A file whose spectrogram
    has other settings is taken, and the lines say so. Empty for no weights.
    """
    if not config.layout:
        return ""
    url = getattr(config, config.layout)
    ours, names = _wanted(learner), _names(learner, config.layout)
    weights = read_weights(url, config.layout)
    theirs = {renamed(key, names): value for key, value in weights.tensors.items()}
    match = match_tensors(ours, theirs)
    refuse_other_encoders(match, ours, theirs, url)
    for key in match.loaded:
        ours[key].copy_(theirs[key])
    heard = _differing(asdict(learner.encoders.config.log_mel), weights.log_mel)
    return _report(match, names, f"init.{config.layout}", url, heard)


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


def _differing(ours: Mapping[str, object], theirs: Mapping[str, object]) -> list[str]:
    """The settings that are not the same in both, in words; those of one alone are left out."""
    both = [key for key in ours if key in theirs]
    return [f"{k} {ours[k]} here, {theirs[k]} there" for k in both if ours[k] != theirs[k]]


def _report(
    match: Match, names: Mapping[str, str], name: str, url: str, heard: Sequence[str]
) -> str:
    counts = {
        f"  {theirs}.* -> {ours}.*": sum(key.startswith(f"{ours}.") for key in match.loaded)
        for theirs, ours in names.items()
    }
    num_new = len(match.resized) + len(match.absent)
    return "\n".join(
        [
            f"starting from {without_secrets(url)}",
            *(f"{line}: {count} tensors" for line, count in counts.items() if count),
            *(f"  new, of another size in the file: {keys}" for keys in _grouped(match.resized)),
            *(f"  new, not in the file: {keys}" for keys in _grouped(match.absent)),
            *(f"  in the file, not used: {keys}" for keys in _grouped(match.unused)),
            *(f"  it knows another spectrogram, encoders.log_mel: {one}" for one in heard),
            f"{name}: {len(match.loaded)} tensors loaded, {num_new} new, "
            f"{len(match.unused)} of the file not used",
        ]
    )


def _grouped(keys: Iterable[str]) -> list[str]:
    """Keys, those of one module together: `head.0.{weight,bias}`."""
    groups = groupby((key.rpartition(".") for key in keys), key=lambda parts: parts[0])
    return [f"{module}.{{{','.join(last for *_, last in rest)}}}" for module, rest in groups]
