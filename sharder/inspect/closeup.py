"""What a model would see and hear of one moment: frames before and after it, the sound around.

         t-0.6      t-0.1   t   t+0.1      t+0.6
video  ────[ • • • • ]──────●──────[ • • • • ]────    the released RepLAI's windows; they are
audio  [ t-1.0              ●             t+1.0 ]     chosen when training, not when sharding
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from replai.core.errors import SampleError
from replai.core.timeline import Span
from replai.media.audio import PREROLL_SECONDS, SoundRequest, preroll_seconds, read_sound
from replai.media.container import Media, damage_is_sample_error
from replai.media.packets import Packets, read_packets
from replai.media.probe import MediaFacts
from replai.media.scale import Geometry
from replai.media.video import ClipRequest, read_clips
from sharder.inspect.hearing import LOG_MEL, Spectrogram, columns_span
from sharder.logmel import BlockLogMel
from sharder.span_packets import read_span

DELTA_SECONDS = 0.1
CLIP_SECONDS = 0.5
SOUND_SECONDS = 2.0

T = TypeVar("T")
Frames = NDArray[np.uint8]
_NO_FRAMES: Frames = np.empty((0, 1, 1, 3), np.uint8)
_NO_SAMPLES = np.empty(0, np.float32)


@dataclass(frozen=True)
class Closeup:
    """One moment at `seconds`.

    `before`, `after`: uint8 [num_frames, H, W, 3]; no frames in a file without video. `samples`:
    float32 [n], mono, at LOG_MEL's rate, of SOUND_SECONDS around the moment; none where there is
    no sound there.
    `problem` says why something is missing that should be there.
    """

    seconds: float
    before: Frames
    after: Frames
    samples: NDArray[np.float32]
    problem: str = ""

    @property
    def span(self) -> Span:
        """The time of the sound."""
        return Span(self.seconds - SOUND_SECONDS / 2, self.seconds + SOUND_SECONDS / 2)


def clip_starts(seconds: float) -> tuple[float, float]:
    """Start times of the clips before and after a moment."""
    return seconds - DELTA_SECONDS - CLIP_SECONDS, seconds + DELTA_SECONDS


def read_closeup(
    media: Media, facts: MediaFacts, seconds: float, num_frames: int, box: int
) -> Closeup:
    """The moment at `seconds` of an open file, however long the file is.

    Frames fit in `box` x `box` pixels. What is damaged is left out, with the reason in `problem`.
    """
    clips = [
        _clip(facts, start, CLIP_SECONDS, num_frames, box)
        for start in clip_starts(seconds)
        if facts.video is not None
    ]
    span = Span(seconds - SOUND_SECONDS / 2, seconds + SOUND_SECONDS / 2)
    found, no_packets = _tried(media, lambda: _packets(media, span))
    packets = found or Packets()
    seen, no_frames = _tried(media, lambda: _frames(media, packets, clips))
    before, after = seen or [_NO_FRAMES, _NO_FRAMES]
    heard, no_samples = _tried(media, lambda: _samples(media, packets, span))
    samples = _NO_SAMPLES if heard is None else heard
    return Closeup(seconds, before, after, samples, no_packets or no_frames or no_samples)


def read_picture(media: Media, facts: MediaFacts, seconds: float, box: int) -> Frames | None:
    """The frame on screen at `seconds`, uint8 [H, W, 3]; None where none decodes."""
    if facts.video is None:
        return None
    clip = _clip(facts, seconds, 0.0, 1, box)

    def read() -> Frames:
        packets = _packets(media, Span(seconds, seconds))
        picture: Frames = _frames(media, packets, [clip])[0][0]
        return picture

    return _tried(media, read)[0]


def read_spectrogram(media: Media, span: Span) -> Spectrogram | None:
    """The log-mel of the sound in `span`, unpooled; None where it does not decode."""

    def read() -> Spectrogram | None:
        samples = _samples(media, _packets(media, span), span)
        return spectrogram_of(samples, span.start_seconds)

    return _tried(media, read)[0]


def _tried(media: Media, read: Callable[[], T]) -> tuple[T | None, str]:
    """(what `read` gives, ""), or (None, why) where the file is damaged."""
    try:
        with damage_is_sample_error():
            return read(), ""
    except SampleError as error:
        _recover(media)
        return None, str(error)


def spectrogram_of(samples: NDArray[np.float32], start_seconds: float) -> Spectrogram | None:
    """The log-mel of `samples`, float32 [n], the first at `start_seconds`; None if too short."""
    blocks = list(BlockLogMel(LOG_MEL).blocks([samples]))
    if not blocks:
        return None
    values = np.concatenate(blocks)
    return Spectrogram(values, columns_span(len(values), 1, start_seconds))


def _packets(media: Media, span: Span) -> Packets:
    """The packets of `span`; of a file without video, those of its sound."""
    if media.video is not None:
        return read_span(media, span)
    start = span.start_seconds - preroll_seconds(media.audio)
    stop = span.stop_seconds + PREROLL_SECONDS
    return read_packets(media, start, stop, video=False, audio=True)


def _frames(media: Media, packets: Packets, clips: Sequence[ClipRequest]) -> list[Frames]:
    """The frames of each clip, uint8 [num_frames, H, W, 3]: as pictures have them."""
    return [clip.transpose(1, 2, 3, 0) for clip in read_clips(media, packets.video, clips)]


def _samples(media: Media, packets: Packets, span: Span) -> NDArray[np.float32]:
    """The sound of `span`, float32 [n] at LOG_MEL's rate; none where the file has none there."""
    rate_hz = LOG_MEL.sample_rate_hz
    num_samples = max(round(span.duration_seconds * rate_hz), 1)
    sound = read_sound(media, packets.audio, SoundRequest(span.start_seconds, num_samples, rate_hz))
    return sound.samples[0] if sound.coverage else _NO_SAMPLES


def _clip(
    facts: MediaFacts, start_seconds: float, duration_seconds: float, num_frames: int, box: int
) -> ClipRequest:
    """The whole picture, scaled to fit in `box` x `box` pixels."""
    assert facts.video is not None
    width, height = facts.video.width, facts.video.height
    factor = min(box / max(width, height), 1.0)
    geometry = Geometry(
        crop_left=0.0,
        crop_top=0.0,
        crop_width=width,
        crop_height=height,
        out_height=max(round(height * factor), 1),
        out_width=max(round(width * factor), 1),
        flip=False,
    )
    return ClipRequest(start_seconds, duration_seconds, num_frames, geometry)


def _recover(media: Media) -> None:
    """Makes the decoders forget what was damaged."""
    for stream in (media.video, media.audio):
        if stream is not None and stream.codec_context.is_open:
            stream.codec_context.flush_buffers()
