"""Objectives: what is learned from a moment. A new one is a file here and a line in OBJECTIVES."""

from collections.abc import Callable

from replai.models import Encoders
from replai.objectives.astc import AStC
from replai.objectives.avc import AVC
from replai.objectives.avid import AVID
from replai.objectives.base import Objective, ObjectiveOutput, Rows
from replai.objectives.config import AVIDConfig, ObjectiveConfig
from replai.objectives.replai import RepLAI

OBJECTIVES: dict[str, Callable[[ObjectiveConfig, Encoders], Objective]] = {
    "avc": AVC,
    "astc": AStC,
    "replai": RepLAI,
    "avid": AVID,
}


def make_objective(config: ObjectiveConfig, encoders: Encoders) -> Objective:
    """The objective that `config.name` names, with new heads that fit the encoders' features.

    The encoders are read for their sizes and not kept. An unknown name raises ValueError.
    """
    if config.name not in OBJECTIVES:
        raise ValueError(f"objective name={config.name!r}, must be one of {', '.join(OBJECTIVES)}")
    return OBJECTIVES[config.name](config, encoders)


__all__ = [
    "AVC",
    "AVID",
    "OBJECTIVES",
    "AStC",
    "AVIDConfig",
    "Objective",
    "ObjectiveConfig",
    "ObjectiveOutput",
    "RepLAI",
    "Rows",
    "make_objective",
]
