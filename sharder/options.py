"""What the options of `sharder` look like that several commands share, or that are a choice."""

from __future__ import annotations

import os
from enum import StrEnum
from typing import Annotated

import typer

from replai.core.errors import UserError

ALL_CORES = os.cpu_count() or 1


def _at_least_one(workers: int | None) -> int | None:
    if workers is not None and workers < 1:
        raise UserError(f"--workers is {workers}; it must be at least 1")
    return workers


Workers = Annotated[
    int, typer.Option(help="Processes.", show_default="all cores", callback=_at_least_one)
]
EngineWorkers = Annotated[
    int | None,
    typer.Option(help="Processes at a time.", show_default="all cores", callback=_at_least_one),
]


class EngineName(StrEnum):
    """Where the work is done."""

    local = "local"
    ray = "ray"


EngineOption = Annotated[
    EngineName, typer.Option(help="Processes of this machine, or of Ray (docs/cluster.md).")
]
RayAddress = Annotated[
    str,
    typer.Option(
        help="Ray cluster: host:port or auto.", show_default="RAY_ADDRESS, or a Ray started here"
    ),
]
Sources = Annotated[list[str], typer.Argument(help="Files, folders or URLs.")]


class ProfileName(StrEnum):
    """How segments are stored."""

    copy = "copy"
    transcode = "transcode"


class Level(StrEnum):
    """How hard a made-up world is."""

    easy = "easy"
    medium = "medium"
    hard = "hard"


class DetectorName(StrEnum):
    """How moments are found."""

    bursts = "bursts"
    paper = "paper"


DetectorOption = Annotated[
    DetectorName, typer.Option(help="Broad bursts, or the paper's energy peaks.")
]
MinProminence = Annotated[
    float | None,
    typer.Option(
        help="Weaker peaks are ignored: dB (bursts), standard deviations (paper).",
        show_default="1.7 or 1.0",
    ),
]
