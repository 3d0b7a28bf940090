"""The released code's way to a sample, from its description: everything, at every access.

The whole file's sound is decoded, its spectrogram made and its peaks searched; each clip seeks by
itself, and its frames go through PIL. The clips are then taken at the case's moment rather than at
a peak, so that all ways decode the same frames. Kind to it: only frames in the clips become
pictures.
"""

from __future__ import annotations

import io
from collections.abc import Callable

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.signal import find_peaks, resample_poly, spectrogram

from benchmarks.clips.cases import Case
from replai.media.video import ClipRequest

RATE_HZ = 44100


def released(case: Case) -> Callable[[], object]:
    """The call; it returns the clips, the sound and the peaks."""
    return lambda: _sample(case)


def _sample(case: Case) -> tuple[list[NDArray[np.uint8]], NDArray[np.float32], NDArray[np.intp]]:
    with av.open(io.BytesIO(case.segment.media), "r") as container:
        for stream in container.streams:
            stream.codec_context.thread_count = 1
        sound, rate = _whole_sound(container)
        peaks = _peaks(sound, rate)
        clips = [_clip(container, clip) for clip in case.clips]
    first = round(case.sound.start_seconds * rate)
    window = sound[first : first + 2 * rate]
    return clips, resample_poly(window, case.sound.sample_rate_hz, rate), peaks


def _whole_sound(container: av.container.InputContainer) -> tuple[NDArray[np.float32], int]:
    frames = list(container.decode(audio=0))
    sound = np.concatenate([frame.to_ndarray() for frame in frames], axis=1).mean(0)
    return sound, frames[0].sample_rate


def _peaks(sound: NDArray[np.float32], rate: int) -> NDArray[np.intp]:
    """SciPy's default spectrogram, log, normalised by frequency, mean, peaks."""
    log = np.log10(spectrogram(sound, rate, nperseg=256, noverlap=32)[2] + 1e-5)
    normed = (log - log.mean(1, keepdims=True)) / (log.std(1, keepdims=True) + 1e-8)
    peaks: NDArray[np.intp] = find_peaks(normed.mean(0), distance=10, prominence=1.0)[0]
    return peaks


def _clip(container: av.container.InputContainer, clip: ClipRequest) -> NDArray[np.uint8]:
    start = clip.start_seconds
    stop = start + clip.duration_seconds
    container.seek(round(start * av.time_base))
    pictures: list[Image.Image] = []
    for frame in container.decode(video=0):
        if frame.time >= stop:
            break
        if frame.time >= start:
            pictures.append(Image.fromarray(frame.to_ndarray(format="rgb24")))
    chosen = np.linspace(0, len(pictures) - 1, clip.num_frames).round().astype(int)
    return np.stack([_cropped(pictures[i], clip) for i in chosen])


def _cropped(picture: Image.Image, clip: ClipRequest) -> NDArray[np.uint8]:
    """The whole picture scaled first, then cropped, then flipped, as usual with PIL."""
    g = clip.geometry
    across, down = g.out_width / g.crop_width, g.out_height / g.crop_height
    size = (round(picture.width * across), round(picture.height * down))
    left = min(round(g.crop_left * across), size[0] - g.out_width)
    top = min(round(g.crop_top * down), size[1] - g.out_height)
    scaled = picture.resize(size, Image.Resampling.BILINEAR)
    cut = scaled.crop((left, top, left + g.out_width, top + g.out_height))
    return np.asarray(cut.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if g.flip else cut)
