"""Ways to decode a moment with PyAV: ours, and decoding everything that is near."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence

import av
import numpy as np
import torch
from av.audio.frame import AudioFrame
from av.video.frame import VideoFrame
from torchvision.transforms.v2.functional import resized_crop

from benchmarks.clips.cases import Case
from replai.media.scale import Geometry
from replai.media.video import ClipRequest
from replai.stream.decode import decode_sample


def ours(case: Case) -> Callable[[], object]:
    """The worker's own function."""
    return lambda: decode_sample(case.sample, case.config)


def cropped(frames: torch.Tensor, geometry: Geometry) -> torch.Tensor:
    """uint8 [T, 3, H, W] -> the same crop, size and flip as ours, in torch."""
    clip = resized_crop(
        frames,
        round(geometry.crop_top), round(geometry.crop_left),
        round(geometry.crop_height), round(geometry.crop_width),
        [geometry.out_height, geometry.out_width], antialias=True,
    )  # fmt: skip
    flipped: torch.Tensor = clip.flip(-1) if geometry.flip else clip
    return flipped


def decode_all(case: Case) -> Callable[[], object]:
    """One open file, one seek; every frame from the keyframe before the first wanted one to numpy,
    then cropped and scaled in torch; all sound met on the way decoded and resampled.
    """
    return lambda: _decode_all(case)


def _decode_all(case: Case) -> tuple[list[torch.Tensor], np.ndarray]:
    first = min(case.sound.start_seconds, *(float(c.frame_seconds[0]) for c in case.clips))
    stop = max(case.sound.stop_seconds, *(float(c.frame_seconds[-1]) for c in case.clips))
    resampler = av.AudioResampler("fltp", "mono", case.sound.sample_rate_hz)
    times, pictures, sound = [], [], []
    with av.open(io.BytesIO(case.segment.media), "r") as container:
        video, audio = container.streams.video[0], container.streams.audio[0]
        video.codec_context.thread_count = audio.codec_context.thread_count = 1
        container.seek(max(round(first * av.time_base), 0))
        for frame in container.decode(video, audio):
            assert isinstance(frame, VideoFrame | AudioFrame) and frame.time is not None
            if frame.time > stop + 0.2:
                break
            if isinstance(frame, VideoFrame):
                times.append(frame.time)
                pictures.append(frame.to_ndarray(format="rgb24"))
            else:
                sound += [part.to_ndarray() for part in resampler.resample(frame)]
    wave = np.concatenate(sound, axis=1)[:, : case.sound.num_samples]
    return [_clip(times, pictures, clip) for clip in case.clips], wave


def _clip(
    times: Sequence[float], pictures: Sequence[np.ndarray], clip: ClipRequest
) -> torch.Tensor:
    chosen = np.searchsorted(times, clip.frame_seconds + 1e-6, side="right") - 1
    stacked = torch.from_numpy(np.stack([pictures[i] for i in chosen]))
    return cropped(stacked.permute(0, 3, 1, 2), clip.geometry)
