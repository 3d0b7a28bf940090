"""Packets that are damaged, as far as that shows without decoding them.

A segment with one is left out and counted. What a container flags is taken at its word; holes (a
disk's or a download's zeros) and noise break what H.264 and HEVC packets are made of, or leave a
run of zeros that no encoder writes. Noise inside one slice of a picture is seen by decoding, if at
all: any bits are a picture to H.264's arithmetic decoder. See avi_index.py and decodable.py for
files that say less.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from operator import sub

from av.packet import Packet
from av.stream import Stream

from replai.core.errors import SampleError
from replai.core.timeline import Span
from replai.media.container import Media, time_base
from replai.media.packets import Packets, pts_of

_LONGEST_HOLE_SECONDS = 0.25
_LONGEST_TAIL_SECONDS = 1.0
"""Of a span in which a file is at its end: what headers say of that is not exact."""
_NEAR_SECONDS = 2.0
"""Packets of picture and sound that stand side by side in a file have times so near."""
_HOLE = bytes(32)
# None of these writes more than two zeros in a row, but between its units and behind the last.
_START_CODED = frozenset({"h264", "hevc", "mpeg1video", "mpeg2video", "mpeg4"})
_NEVER_ZERO = frozenset(
    {"aac", "ac3", "eac3", "mp2", "mp3", "opus", "vorbis", "flac", "vp8", "vp9", "av1", "mjpeg"}
)
_LENGTH_BYTES_AT = {"h264": 4, "hevc": 21}


def refuse_damaged(media: Media, packets: Sequence[Packet[Stream]]) -> None:
    """Raises SampleError if one of `packets`, all of one stream, is damaged."""
    if not packets:
        return
    looks_whole = _look(packets[0].stream, is_padded=_are_padded(packets))
    for packet in packets:
        if packet.is_corrupt or not looks_whole(bytes(packet)):
            seconds = float(media.seconds(pts_of(packet), packet.stream))
            raise SampleError(f"its {packet.stream.type} is damaged at {seconds:.2f} s")


def refuse_holes(media: Media, packets: Packets, span: Span) -> None:
    """Raises SampleError if for a while of `span` there is neither a picture nor sound.

    A frame may be on screen for long, and sound may pause, but not both: Matroska and MPEG files
    are read on behind what is damaged, as if it had not been there, and the header of one that is
    cut off may tell of the rest. But only MP4 tells for how long a frame is shown: elsewhere the
    next one may be late where there is no sound anyhow; a hole takes both at the same time. Of a
    video without sound only what comes before its first keyframe is known to be one.
    """
    if _is_shown_throughout(media, packets, span):
        return
    heard = sorted(_times(media, media.audio, packets.audio))
    all_times = sorted([*_times(media, media.video, packets.video), *heard])
    guesses, read_to, reached = not media.stores_dts, all_times[-1][0], -math.inf
    for start, stop in all_times:
        first, end = max(reached, span.start_seconds), min(start, span.stop_seconds)
        is_long, is_unseen = end - first > _LONGEST_HOLE_SECONDS, reached == -math.inf
        is_silent = media.audio is None or (
            guesses and _is_silent_around(reached, start, heard, read_to)
        )
        if is_long and (not is_silent or (is_unseen and media.audio is None)):
            raise SampleError(f"damaged: it holds nothing from {first:.2f} to {start:.2f} s")
        reached = max(reached, stop)
    is_begun = reached > span.start_seconds  # else the file may be cut off before it
    if guesses and is_begun and _is_silent_around(reached, math.inf, heard, read_to):
        return
    reached = max(reached, span.start_seconds)
    if span.stop_seconds - reached > _LONGEST_TAIL_SECONDS:
        raise SampleError(f"damaged: it holds nothing from {reached:.2f} s on")


def _is_silent_around(
    start: float, stop: float, heard: Sequence[tuple[float, float]], read_to: float
) -> bool:
    """Whether the sound ends well before what may be a hole, or does not go on well behind it."""
    before = max((end for begin, end in heard if begin < stop), default=-math.inf)
    behind = min((begin for begin, _ in heard if begin >= stop), default=read_to)
    return before < start - _NEAR_SECONDS or behind > stop + _NEAR_SECONDS


def _is_shown_throughout(media: Media, packets: Packets, span: Span) -> bool:
    """Whether pictures alone leave no hole: as nearly always, and sooner told."""
    assert media.video is not None
    longest = int(_LONGEST_HOLE_SECONDS / float(time_base(media.video)))
    shown = sorted(map(pts_of, packets.video))
    if not shown or shown[0] > media.pts_at(span.start_seconds, media.video):
        return False
    if shown[-1] < media.pts_at(span.stop_seconds - _LONGEST_HOLE_SECONDS, media.video):
        return False
    return max(map(sub, shown[1:], shown), default=0) <= longest


def _times(
    media: Media, stream: Stream | None, packets: Sequence[Packet[Stream]]
) -> Iterator[tuple[float, float]]:
    """(start, stop) of each packet of `stream`, in seconds of the file's clock."""
    if stream is not None:
        tick, origin = float(time_base(stream)), float(media.origin)
        for packet in packets:
            start = pts_of(packet) * tick - origin
            yield start, start + (packet.duration or 0) * tick


def _are_padded(packets: Sequence[Packet[Stream]]) -> bool:
    """Whether zeros at a packet's end are padding, as most have some: Annex B allows it, and a
    program that makes an MP4 of it may count them to the last unit's length. No unit itself ends in
    a zero; padding to an alignment may be of a few bytes.
    """
    ends = [bytes(memoryview(packet)[-1:]) for packet in packets]
    return 2 * ends.count(b"\0") > len(packets)


def _look(stream: Stream, is_padded: bool) -> Callable[[bytes], bool]:
    """Tells of a packet's bytes whether an encoder may have written them."""
    context = stream.codec_context
    codec = context.codec.canonical_name
    if codec in _START_CODED:
        prefix = _length_bytes(codec, context.extradata or b"")
        has_no_hole = _has_no_hole_within if is_padded or not prefix else _has_no_hole
        if prefix:
            return partial(_are_units, prefix=prefix, has_no_hole=has_no_hole)
        return has_no_hole
    return any if codec in _NEVER_ZERO else lambda data: True


def _has_no_hole(data: bytes) -> bool:
    # Of a hole's bytes two neighbours are in the sixteenth that is looked at first.
    return b"\0\0" not in data[:: len(_HOLE) // 2] or _HOLE not in data


def _has_no_hole_within(data: bytes) -> bool:
    """The same, but that zeros may follow: padding, or those before the next start code."""
    return _has_no_hole(data) or _HOLE not in data.rstrip(b"\0")


def _length_bytes(codec: str, extradata: bytes) -> int:
    """Of a unit's length, before it (as in MP4); 0 where units begin with start codes."""
    at = _LENGTH_BYTES_AT.get(codec, len(extradata))
    return (extradata[at] & 3) + 1 if len(extradata) > at and extradata[0] == 1 else 0


def _are_units(data: bytes, prefix: int, has_no_hole: Callable[[bytes], bool]) -> bool:
    """Whether `data` is units of H.264 or HEVC, each behind its length, and nothing else."""
    at = 0
    while at < len(data):
        start = at + prefix
        at = start + int.from_bytes(data[at:start], "big")
        if not start < at <= len(data) or data[start] & 0x80:  # a bit that is always 0
            return False
        if not has_no_hole(data[start:at]):
            return False
    return True
