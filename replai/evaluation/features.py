"""Frozen features of every labelled action of a dataset."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from replai.core.index import DatasetIndex
from replai.evaluation.config import Pool, ProbeConfig
from replai.models import Encoders
from replai.stream.loader import AVStream
from replai.stream.sampling import At, SamplingConfig
from replai.views import VideoView


@dataclass(frozen=True)
class Features:
    """Features float32 [N, D] of N actions and their labels int64 [N, 2] (verb, noun)."""

    values: Tensor
    labels: Tensor


@torch.no_grad()
def action_features(
    encoders: Encoders,
    index: DatasetIndex,
    config: ProbeConfig,
    device: torch.device,
    quarantine: Path | None = None,
) -> Features:
    """Features of each labelled action of `index`, each exactly once, in index order.

    `clips_per_action` clips are spread evenly over the action, centre-cropped and encoded with
    everything frozen, BatchNorm's statistics too (the released EPIC probe leaves them in training
    mode, so that its backbone still adapts); the clips are then pooled as configured. Bad samples
    are left out, named in the file `quarantine`, and counted in a line on the screen.
    """
    encoders.eval()
    values: list[Tensor] = []
    labels: list[Tensor] = []
    stream = _action_stream(index, config, quarantine)
    for batch in stream:
        clips = encoders.encode_video(batch.views["clip"].to(device)).float().cpu()
        valid = batch.valid[:: config.clips_per_action]
        values.append(_pooled(clips, config)[valid])
        labels.append(batch.labels[:: config.clips_per_action][valid])
    if quarantine and stream.quarantine.count:
        bad = stream.quarantine.count
        print(f"{bad} bad samples of {index.root} are left out; they are named in {quarantine}")
    return Features(torch.cat(values), torch.cat(labels))


def _action_stream(index: DatasetIndex, config: ProbeConfig, quarantine: Path | None) -> AVStream:
    view = VideoView(
        name="clip",
        start_seconds=-config.clip_seconds / 2,
        duration_seconds=config.clip_seconds,
        num_frames=config.num_frames,
    )
    return AVStream(
        index,
        (view,),
        sampling=SamplingConfig(at=At.actions, per_visit=config.clips_per_action),
        crop=config.crop,
        batch_size=config.batch_size,
        augment=False,
        config=config.stream,
        quarantine_path=quarantine,
    )


def _pooled(clips: Tensor, config: ProbeConfig) -> Tensor:
    """[actions * clips, D] → [actions, D] (mean) or [actions, clips * D] (join)."""
    per_action = clips.reshape(-1, config.clips_per_action, clips.shape[1])
    return per_action.mean(dim=1) if config.pool is Pool.mean else per_action.flatten(1)
