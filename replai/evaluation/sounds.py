"""What the audio encoder is worth: a linear classifier of ESC-50's sounds, fold by fold.

As in AVID: 10 clips of 2 s evenly over each sound, one-vs-all linear SVMs on the frozen features of
single clips, their decision values averaged over the clips of a sound; each fold is tested by what
the other folds have taught.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from replai.core import storage
from replai.core.errors import SampleError
from replai.core.progress import with_progress
from replai.evaluation.collect import ALONE, Collected
from replai.evaluation.config import Method, Over, ScoringConfig, SoundsConfig
from replai.evaluation.esc50 import Recording
from replai.evaluation.evaluate import (
    Outcome,
    interval_protocol,
    method_protocol,
    predictions,
    task_outcome,
)
from replai.evaluation.features import Features, Task
from replai.evaluation.scores import groups_of
from replai.media.audio import SoundRequest
from replai.media.decode import read_views
from replai.media.probe import probe
from replai.models import Encoders
from replai.stream.loader import Share
from replai.stream.quarantine import BadSample, Quarantine

TASK = "sound"


@dataclass(frozen=True)
class _Place:
    """A recording to read: its number, and whether it counts or only pads the last batch."""

    number: int
    recording: Recording
    valid: bool


@torch.no_grad()
def sound_features(
    encoders: Mapping[str, Encoders],
    recordings: Sequence[Recording],
    config: SoundsConfig,
    device: torch.device,
    share: Share = ALONE,
    quarantine: Path | None = None,
) -> dict[str, Features]:
    """Name of the encoder → features of each recording, a view a clip, in the order given.

    Encoders, which must want one sample rate, are frozen. Several ranks share the reading and
    encoding; the features are on the first one. A recording that does not decode is left out and
    named in the file `quarantine`; UserError for one that is not there, or for too many of them.
    """
    for one in encoders.values():
        one.to(device).eval()
    (rate,) = {one.config.log_mel.sample_rate_hz for one in encoders.values()}
    collected = Collected(encoders, share)
    bad = Quarantine(
        config.bad_samples, len(recordings) // share.world_size, quarantine, share.world_size
    )
    batches = with_progress(
        list(_batches(recordings, config.batch_size, share)), len(recordings), "encoding sounds",
        of_each=config.batch_size * share.world_size, shown=share.rank == 0,
    )  # fmt: skip
    silence = torch.zeros(config.clips, 1, round(config.clip_seconds * rate))
    with ThreadPoolExecutor(config.num_threads) as pool:
        for number, places in enumerate(batches):
            read = list(pool.map(lambda place: _clips(place, config, rate), places))
            _note(bad, number, places, read)
            clips = torch.cat([one if isinstance(one, Tensor) else silence for one in read])
            collected.add(
                torch.tensor([place.number for place in places], device=device),
                torch.tensor([isinstance(one, Tensor) for one in read], device=device),
                torch.tensor([[place.recording.target] for place in places], device=device),
                {
                    name: _encoded(one, clips.to(device), len(places))
                    for name, one in encoders.items()
                },
            )
    if share.rank:
        return {}
    had, labels, values = collected.whole(len(recordings))
    tasks = (Task(TASK, {one.target: one.category for one in recordings}),)
    kept = had.numpy()
    return {
        name: Features(
            values=of,
            labels=labels,
            origins=np.array([one.origin for one in recordings])[kept],
            tasks=tasks,
            num_left_out=int((~kept).sum()),
            folds=np.array([one.fold for one in recordings])[kept],
        )
        for name, of in values.items()
    }


def _encoded(encoders: Encoders, clips: Tensor, num_sounds: int) -> Tensor:
    """float32 [sounds, clips of each, D] of clips [sounds * clips, 1, samples]."""
    features = encoders.encode_audio(clips).float()
    return features.reshape(num_sounds, -1, features.shape[1])


def _batches(
    recordings: Sequence[Recording], batch_size: int, share: Share
) -> Iterator[list[_Place]]:
    """This rank's part of each batch; the last is filled up with the last recording."""
    last = len(recordings) - 1
    for start in range(0, len(recordings), batch_size * share.world_size):
        first = start + share.rank * batch_size
        yield [
            _Place(number, recordings[min(number, last)], number <= last)
            for number in range(first, first + batch_size)
        ]


def _clips(place: _Place, config: SoundsConfig, rate_hz: int) -> Tensor | SampleError | None:
    """float32 [clips, 1, samples], or why they cannot be had; None for what only pads.

    The first starts with the recording, the last ends with it.
    """
    if not place.valid:
        return None
    data = storage.read_bytes(place.recording.url)
    try:
        room = max(0.0, probe(data).duration_seconds - config.clip_seconds)
        samples = round(config.clip_seconds * rate_hz)
        wanted = [
            SoundRequest(float(start), samples, rate_hz)
            for start in np.linspace(0.0, room, config.clips)
        ]
        _, sounds = read_views(data, [], wanted)
    except SampleError as error:
        return error
    return torch.from_numpy(np.stack([sound.samples for sound in sounds]))


def _note(
    quarantine: Quarantine, batch: int, places: Sequence[_Place], read: Sequence[object]
) -> None:
    failed = [
        BadSample(0, batch, place.number, Path(place.recording.url).name, "", str(error))
        for place, error in zip(places, read, strict=True)
        if isinstance(error, SampleError)
    ]
    quarantine.add(failed, num_good=len(places) - len(failed))


def evaluate_folds(features: Features, method: Method, config: ScoringConfig, seed: int) -> Outcome:
    """`sound_top1`, `sound_top5`, means over the folds, and `sound_mean_class`; their protocol.

    Each fold is tested by a classifier that the other folds have taught, its penalty chosen within
    them. Intervals are over originals: what was cut from one is not independent.
    """
    assert features.folds is not None
    names = sorted(set(features.folds.tolist()))
    scores: dict[int, Tensor] = {}
    told: dict[str, dict[str, object]] = {}
    for fold in with_progress(names, len(names), "classifying sounds, fold by fold"):
        tested = features.folds == fold
        train, test = features.rows(~tested), features.rows(tested)
        (scores[fold],), chosen = predictions(train, test, method, config, seed)
        told[str(fold)] = {"num_train": len(train), "num_test": len(test), **chosen}
    order = np.concatenate([np.flatnonzero(features.folds == fold) for fold in names])
    outcome = _outcome(features, order, torch.cat([scores[fold] for fold in names]), config, seed)
    groups = interval_protocol(config.interval, groups_of(features.origins, Over.video))
    protocol = {
        **method_protocol(method, config, seed),
        "views": features.values.shape[1],
        "num_sounds": len(features),
        "num_left_out": features.num_left_out,
        "folds": told,
        "interval": {**groups, "over": "original"},
    }
    return replace(outcome, protocol={"sounds": protocol})


def _outcome(
    features: Features,
    order: NDArray[np.int64],
    scores: Tensor,
    config: ScoringConfig,
    seed: int,
) -> Outcome:
    """Of the scores of the items in `order`."""
    assert features.folds is not None
    labels, origins = features.labels[:, 0].numpy()[order], features.origins[order]
    return task_outcome(
        features.tasks[0],
        scores,
        labels,
        labels,
        groups_of(origins, Over.video),
        config.interval,
        seed,
        features.folds[order],
    )
