"""Frozen features of every labelled action of a dataset, of any number of encoders at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from replai.core.index import DatasetIndex
from replai.core.progress import with_progress
from replai.evaluation.collect import ALONE, Collected
from replai.evaluation.config import ClipsConfig
from replai.models import Encoders
from replai.stream.loader import AVStream, Share
from replai.stream.sampling import At, SamplingConfig
from replai.views import VideoView


@dataclass(frozen=True)
class Task:
    """What is to be told of each item: its name, and class id → name."""

    name: str
    classes: Mapping[int, str]


@dataclass(frozen=True)
class Features:
    """What a classifier is given: N items (actions, sounds), V views of each."""

    values: Tensor
    """float32 [N, V, D]."""
    labels: Tensor
    """int64 [N, tasks]: class ids, -1 where unknown."""
    origins: NDArray[np.str_]
    """str [N]: the video (recording) that each was cut from."""
    tasks: tuple[Task, ...]
    num_left_out: int = 0
    """Items that could not be had."""
    folds: NDArray[np.int64] | None = None
    """int64 [N]: the fold of each, where the data has folds."""

    def __len__(self) -> int:
        return len(self.values)

    def rows(self, chosen: NDArray[np.bool_]) -> Features:
        """Those of the items, bool [N]."""
        which = torch.from_numpy(chosen)
        return replace(
            self,
            values=self.values[which],
            labels=self.labels[which],
            origins=self.origins[chosen],
            num_left_out=0,
            folds=None,
        )

    def of_tasks(self, places: Sequence[int]) -> Features:
        """The same items under these of the tasks alone."""
        tasks = tuple(self.tasks[place] for place in places)
        return replace(self, labels=self.labels[:, list(places)], tasks=tasks)

    def averaged(self) -> Features:
        """One view an item: the mean of its views."""
        return replace(self, values=self.values.mean(dim=1, keepdim=True))


@torch.no_grad()
def action_features(
    encoders: Mapping[str, Encoders],
    index: DatasetIndex,
    clips: ClipsConfig,
    device: torch.device,
    share: Share = ALONE,
    quarantine: Path | None = None,
) -> dict[str, Features]:
    """Name of the encoder → features of each labelled action of `index`, in index order.

    Each action is read and decoded once, whatever the number of encoders, and comes exactly once,
    whatever the number of ranks; the features are then on the first rank alone, the others get
    none. Clips are centre-cropped and encoded with everything frozen, BatchNorm's statistics too
    (the released EPIC probe leaves them in training mode, so that its backbone still adapts).
    Bad samples are left out and named in the file `quarantine`.
    """
    for one in encoders.values():
        one.to(device).eval()
    stream = _stream(index, clips, share, quarantine)
    collected, per_action = Collected(encoders, share), clips.clips_per_action
    batches = with_progress(
        stream, stream.num_items, f"encoding {index.root}",
        of_each=clips.batch_size * share.world_size, shown=share.rank == 0,
    )  # fmt: skip
    for batch in batches:
        video = batch.views["clip"].to(device)
        collected.add(
            batch.positions[::per_action].to(device),
            batch.valid[::per_action].to(device),
            batch.labels[::per_action].to(device),
            {
                name: _views(one.encode_video(video).float(), clips)
                for name, one in encoders.items()
            },
        )
    if share.rank:
        return {}
    had, labels, values = collected.whole(stream.num_items)
    return {
        name: Features(
            values=of,
            labels=labels,
            origins=_video_ids(index)[had.numpy()],
            tasks=action_tasks(index),
            num_left_out=int((~had).sum()),
        )
        for name, of in values.items()
    }


def action_tasks(index: DatasetIndex) -> tuple[Task, ...]:
    """Verbs and nouns, as the header of `index` has them."""
    header = index.header
    named = (("verb", header.verbs), ("noun", header.nouns))
    return tuple(
        Task(name, {int(number): said for number, said in classes.items()})
        for name, classes in named
    )


def _video_ids(index: DatasetIndex) -> NDArray[np.str_]:
    rows = np.repeat(np.arange(index.header.num_samples), index.column("num_actions"))
    return index.column("video_id")[rows].astype(str)


def _stream(
    index: DatasetIndex, clips: ClipsConfig, share: Share, quarantine: Path | None
) -> AVStream:
    view = VideoView(
        name="clip",
        start_seconds=-clips.clip_seconds / 2,
        duration_seconds=clips.clip_seconds,
        num_frames=clips.num_frames,
    )
    return AVStream(
        index,
        (view,),
        sampling=SamplingConfig(at=At.actions, per_visit=clips.clips_per_action),
        crop=clips.crop,
        batch_size=clips.batch_size * share.world_size,
        augment=False,
        share=share,
        config=clips.stream,
        quarantine_path=quarantine,
    )


def _views(encoded: Tensor, clips: ClipsConfig) -> Tensor:
    """[actions * clips, D] → [actions, views, parts * D]."""
    per_part = clips.clips_per_action // clips.parts
    split = encoded.reshape(-1, clips.parts, per_part, encoded.shape[1])
    return split.transpose(1, 2).flatten(2)
