"""Clips: the wanted frames of a stretch of video, each scaled once, straight to its crop."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from av.packet import Packet
from av.stream import Stream
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from replai.core.errors import SampleError
from replai.core.timeline import slot_centres
from replai.media.container import Media
from replai.media.limits import MOST_PIXELS_DECODED, Budget
from replai.media.packets import pts_of
from replai.media.scale import Geometry, Scaler


@dataclass(frozen=True)
class ClipRequest:
    """`num_frames` frames of [start, start + duration), each the one on screen at the centre of
    its slot, cropped and scaled by `geometry`. Before the first frame of the video that is the
    first frame, after the end the last.
    """

    start_seconds: float
    duration_seconds: float
    num_frames: int
    geometry: Geometry

    def __post_init__(self) -> None:
        if self.num_frames < 1 or self.duration_seconds < 0:
            raise ValueError(f"a clip has frames and a duration of at least 0; got {self}")

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """(3, num_frames, out_height, out_width)."""
        channels, height, width = self.geometry.out_shape
        return (channels, self.num_frames, height, width)

    @property
    def frame_seconds(self) -> NDArray[np.float64]:
        """Times at which the frames are on screen; float64 [num_frames]."""
        return slot_centres(self.start_seconds, self.duration_seconds, self.num_frames)


@dataclass(frozen=True)
class _Run:
    """Packets [first, last] of the video: from a keyframe to the last wanted frame behind it."""

    first: int
    last: int
    wanted: frozenset[int]


def read_clips(
    media: Media, packets: Sequence[Packet[Stream]], clips: Sequence[ClipRequest]
) -> list[NDArray[np.uint8]]:
    """The clips; uint8 [3, num_frames, out_height, out_width] each, RGB, contiguous.

    `packets`: the video's, from `read_packets` over the span of all clips. Each wanted frame is
    decoded once for all clips and scaled once for each. Raises SampleError if there is no video,
    or if a frame on the way to a wanted one is damaged.
    """
    if not clips:
        return []
    if media.video is None:
        raise SampleError("has no video stream")
    uses = _uses(media, packets, clips)
    scalers = [Scaler(clip.geometry) for clip in clips]
    views = [np.empty(clip.shape, np.uint8) for clip in clips]
    for frame in _decoded(media.video.codec_context, packets, frozenset(uses)):
        assert frame.pts is not None
        for clip_index, slots in uses[frame.pts].items():
            for channel, plane in zip(views[clip_index], scalers[clip_index](frame), strict=True):
                for slot in slots:
                    channel[slot] = plane
    return views


def _uses(
    media: Media, packets: Sequence[Packet[Stream]], clips: Sequence[ClipRequest]
) -> dict[int, dict[int, list[int]]]:
    """{pts of a wanted frame: {clip: its slots}}."""
    assert media.video is not None
    shown = sorted(pts_of(p) for p in packets if not p.is_discard)
    if not shown:
        raise SampleError("its video has no frame")
    uses: dict[int, dict[int, list[int]]] = {}
    for clip_index, clip in enumerate(clips):
        for slot, seconds in enumerate(clip.frame_seconds.tolist()):
            position = bisect_right(shown, media.pts_at(seconds, media.video)) - 1
            clip_uses = uses.setdefault(shown[max(position, 0)], {})
            clip_uses.setdefault(clip_index, []).append(slot)
    return uses


def _runs(packets: Sequence[Packet[Stream]], wanted: frozenset[int]) -> list[_Run]:
    """The fewest packets that yield the wanted frames: GOPs without one are not decoded."""
    keys = [i for i, p in enumerate(packets) if p.is_keyframe or i == 0]
    # What an edit list hides may have the time of a frame that another edit shows.
    index_of = {pts_of(p): i for i, p in enumerate(packets) if not p.is_discard}
    groups: dict[int, set[int]] = {}
    for pts in wanted:
        position = bisect_right(keys, index_of[pts]) - 1
        # Frames shown before the keyframe but stored after it lean on an earlier GOP.
        while position and pts_of(packets[keys[position]]) > pts:
            position -= 1
        groups.setdefault(keys[position], set()).add(pts)
    return [
        _Run(first, max(index_of[pts] for pts in group), frozenset(group))
        for first, group in sorted(groups.items())
    ]


def _decoded(
    context: VideoCodecContext, packets: Sequence[Packet[Stream]], wanted: frozenset[int]
) -> Iterator[VideoFrame]:
    """The wanted frames, run by run. Raises SampleError for damaged ones and missing ones."""
    budget = Budget(MOST_PIXELS_DECODED, "pixels decoded")
    for run in _runs(packets, wanted):
        missing = set(run.wanted)
        key_pts = pts_of(packets[run.first])
        for frame in _decoded_run(context, packets[run.first : run.last + 1], run.wanted):
            budget.spend(frame.width * frame.height)
            # Frames shown before the keyframe but stored after it lean on an earlier GOP.
            if frame.pts is not None and frame.pts >= key_pts and frame.is_corrupt:
                raise SampleError(f"video frame at pts {frame.pts} is damaged")
            if frame.pts in missing:
                missing.remove(frame.pts)
                yield frame
        if missing:
            raise SampleError(f"video frame at pts {min(missing)} does not decode")


def _decoded_run(
    context: VideoCodecContext, packets: Sequence[Packet[Stream]], wanted: frozenset[int]
) -> Iterator[VideoFrame]:
    # FFmpeg's own decoders ask before each frame; foreign ones (dav1d) once, when opened.
    skips = not context.codec.name.startswith("lib")
    for packet in packets:
        if packet.is_corrupt:
            raise SampleError(f"video packet at pts {packet.pts} is damaged")
        # A frame that no other leans on and no view wants need not be decoded.
        context.skip_frame = "NONREF" if skips and pts_of(packet) not in wanted else "DEFAULT"
        yield from context.decode(packet)
    yield from context.decode(None)
    context.flush_buffers()
