"""Samples → the views an objective asks for, at every anchor of the visit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from replai.core.errors import SampleError
from replai.core.seeding import generator
from replai.media.audio import SoundRequest
from replai.media.decode import read_views
from replai.media.video import ClipRequest
from replai.stream.crops import CropConfig, centre_crop, random_crop
from replai.stream.plan import Place
from replai.stream.sampling import SamplingConfig, anchors
from replai.stream.unpack import Unpacked
from replai.stream.watch import WATCH
from replai.views import AudioView, VideoView, View, reach

Scalar = TypeVar("Scalar", bound=np.generic)


@dataclass(frozen=True, kw_only=True)
class DecodeConfig:
    """What to take from each visited sample."""

    views: tuple[View, ...]
    sampling: SamplingConfig
    crop: CropConfig
    augment: bool
    seed: int
    endless: Mapping[int, str] = field(default_factory=dict)
    """Item → why it is not decoded: a worker did not get to its end before."""


@dataclass(frozen=True)
class Decoded:
    """One visit, decoded: k anchors in `seconds`, each view with a leading dimension k."""

    place: Place
    key: str
    video_id: str
    seconds: NDArray[np.float64]
    """float64 [k], on the source video's clock."""
    views: dict[str, NDArray[np.uint8] | NDArray[np.float32]]
    """Video: uint8 [k, 3, T, H, W]; audio: float32 [k, 1, samples]."""
    audio_coverage: float
    """Least share of an audio window that the file had sound for; 1 where no view is audio."""
    labels: tuple[int, int]
    """(verb class, noun class) of the visited action, else (-1, -1)."""


def decode_sample(sample: Unpacked, config: DecodeConfig) -> Decoded:
    """The views of one visit. Raises SampleError, naming the sample, if it does not decode."""
    item = sample.place.item
    if item in config.endless:
        raise SampleError(f"sample {sample.key}: {config.endless[item]}")
    with WATCH.on(item, sample.key):
        return _decoded(sample, config)


def _decoded(sample: Unpacked, config: DecodeConfig) -> Decoded:
    place, record = sample.place, sample.record
    draw = generator(config.seed, place.epoch, place.position, "anchors")
    times = anchors(record, sample.ordinal, config.sampling, reach(config.views), draw)
    videos = [view for view in config.views if isinstance(view, VideoView)]
    audios = [view for view in config.views if isinstance(view, AudioView)]
    clips = [
        clip
        for number, time in enumerate(times)
        for clip in _clips(sample, videos, time, number, config)
    ]
    sounds = [_sound(view, time) for time in times for view in audios]
    try:
        frames, waves = read_views(sample.media, clips, sounds)
    except SampleError as error:
        raise SampleError(f"sample {sample.key}: {error}") from error
    views: dict[str, NDArray[np.uint8] | NDArray[np.float32]] = {}
    for i, video in enumerate(videos):
        views[video.name] = _stacked(frames[i :: len(videos)])
    for i, audio in enumerate(audios):
        views[audio.name] = _stacked([wave.samples for wave in waves[i :: len(audios)]])
    return Decoded(
        place=place,
        key=sample.key,
        video_id=record.video_id,
        seconds=times + record.start_seconds,
        views=views,
        audio_coverage=min((wave.coverage for wave in waves), default=1.0),
        labels=_labels(sample, config.sampling),
    )


def _stacked(arrays: Sequence[NDArray[Scalar]]) -> NDArray[Scalar]:
    """`np.stack`, without a copy of one array alone."""
    return np.stack(arrays) if len(arrays) > 1 else arrays[0][None]


def _clips(
    sample: Unpacked, views: Sequence[VideoView], time: float, number: int, config: DecodeConfig
) -> list[ClipRequest]:
    """One request a view; each view is augmented on its own, as in RepLAI's code."""
    place, facts = sample.place, sample.record.video
    requests = []
    for view in views:
        if config.augment:
            purpose = f"crop/{number}/{view.name}"
            draw = generator(config.seed, place.epoch, place.position, purpose)
            geometry = random_crop(facts, config.crop, draw)
        else:
            geometry = centre_crop(facts, config.crop)
        start = float(time) + view.start_seconds
        requests.append(ClipRequest(start, view.duration_seconds, view.num_frames, geometry))
    return requests


def _sound(view: AudioView, time: float) -> SoundRequest:
    return SoundRequest(float(time) + view.start_seconds, view.num_samples, view.sample_rate_hz)


def _labels(sample: Unpacked, sampling: SamplingConfig) -> tuple[int, int]:
    if sampling.at.value != "actions":
        return (-1, -1)
    action = sample.record.actions[sample.ordinal]
    return (action.verb_class, action.noun_class)
