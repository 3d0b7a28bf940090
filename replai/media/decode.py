"""The bytes of one sample -> the clips and sounds that were asked of it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from replai.media.audio import TAIL_SECONDS, Sound, SoundRequest, preroll_seconds, read_sound
from replai.media.container import Media, open_sample
from replai.media.packets import Packets, check_boxes, read_packets
from replai.media.video import ClipRequest, read_clips


def read_views(
    data: bytes, clips: Sequence[ClipRequest], sounds: Sequence[SoundRequest]
) -> tuple[list[NDArray[np.uint8]], list[Sound]]:
    """The views of one media file, in the order of the requests; the same bytes every time.

    Clips are uint8 [3, num_frames, out_height, out_width], RGB, contiguous; sounds are
    float32 [1, num_samples]. The file is opened once, read once over the span of all requests,
    and of the video only what leads to wanted frames is decoded. A file without audio gives
    silence with coverage 0. Raises SampleError, with a one-line reason, if the file is damaged,
    is cut off, or has no video though a clip is wanted.
    """
    with open_sample(data) as media:
        if media.container.format.name.startswith("mov"):
            check_boxes(data)
        packets = _packets(media, clips, sounds)
        views = read_clips(media, packets.video, clips)
        return views, [read_sound(media, packets.audio, sound) for sound in sounds]


def _packets(media: Media, clips: Sequence[ClipRequest], sounds: Sequence[SoundRequest]) -> Packets:
    shown = [clip.frame_seconds for clip in clips]
    preroll = preroll_seconds(media.audio)
    starts = [float(s[0]) for s in shown] + [s.start_seconds - preroll for s in sounds]
    stops = [float(s[-1]) for s in shown] + [s.stop_seconds + TAIL_SECONDS for s in sounds]
    if not starts:
        return Packets()
    return read_packets(media, min(starts), max(stops), video=bool(clips), audio=bool(sounds))
