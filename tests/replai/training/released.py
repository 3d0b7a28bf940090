"""Checkpoints as AVID and RepLAI released them: full-size encoders under the released names.

Key names, shapes and what else is in the files: as recorded in the reference notes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from tests.replai.models.test_encoders import (
    Shapes,
    released_audio_shapes,
    released_video_shapes,
)

Model = dict[str, Tensor]
BANK_ITEMS = 1000


def avid_shapes() -> Shapes:
    """`model` of an AVID checkpoint: encoders and heads of three layers."""
    heads = {
        f"{name}_proj.projection.{layer}.{kind}": shape
        for name in ("video", "audio")
        for layer, rows in ((0, 512), (2, 512), (4, 128))
        for kind, shape in (("weight", (rows, 512)), ("bias", (rows,)))
    }
    return {**_under("video_model", released_video_shapes()),
            **_under("audio_model", released_audio_shapes()), **heads}  # fmt: skip


def replai_shapes() -> Shapes:
    """`model` of a checkpoint of the released RepLAI code: encoders and heads of two layers."""
    heads: Shapes = {}
    for name in ("video_clr", "audio_clr", "video_aot", "audio_aot", "aot_diff"):
        dim = 128 if name == "aot_diff" else 512
        heads |= {f"mlp.{name}.0.weight": (512, dim), f"mlp.{name}.0.bias": (512,),
                  f"mlp.{name}.2.weight": (128, 512), f"mlp.{name}.2.bias": (128,)}  # fmt: skip
    return {**_under("backbone.video", released_video_shapes()),
            **_under("backbone.audio", released_audio_shapes()), **heads}  # fmt: skip


def random_model(shapes: Shapes) -> Model:
    """A tensor of each shape; counters are whole numbers."""
    draw = torch.Generator().manual_seed(0)
    return {
        key: torch.randn(shape, generator=draw) if shape else torch.tensor(7)
        for key, shape in shapes.items()
    }


def write_avid(path: Path, model: Model, **saving: Any) -> None:
    """An AVID checkpoint: DDP's prefixes, an optimiser, and memory banks in the criterion."""
    banks = torch.zeros(2, BANK_ITEMS, 128)
    state = {
        "epoch": 400,
        "model": {f"module.{key}": value for key, value in model.items()},
        "optimizer": {"state": {0: {"step": 3, "exp_avg": torch.zeros(4)}}, "param_groups": []},
        "train_criterion": {
            "nce_average.view1_mem": banks[0], "nce_average.view2_mem": banks[1],
            "criterion.avg_exp_score": torch.tensor(2.0),
        },
    }  # fmt: skip
    torch.save(state, path, **saving)


def write_replai(path: Path, model: Model) -> None:
    """A checkpoint of the released RepLAI code."""
    torch.save({"model": model, "optimizer": {}, "sampler": {"epoch": 3}, "epoch": 3}, path)


def _under(prefix: str, shapes: Shapes) -> Shapes:
    return {f"{prefix}.{key}": shape for key, shape in shapes.items()}
