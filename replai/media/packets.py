"""The packets of a stretch of a file, undecoded, in memory: demuxing is cheap, decoding is not.

With the packets at hand every pts is known before anything is decoded: which frame is on screen
at a time is exact, also with B-frames, a variable frame rate and edit lists, and the decoder is
fed nothing but what leads from a keyframe to a wanted frame.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from av.error import FFmpegError
from av.packet import Packet
from av.stream import Stream

from replai.core.errors import SampleError
from replai.media.container import Media
from replai.media.limits import MOST_PACKETS, Budget

# Keyframes are found by dts, wanted by pts: step back by more than any reordering of B-frames.
_REORDER_SECONDS = 0.25
# Where dts are guesses, read on for a while past the last wanted time.
_READ_ON_SECONDS = 0.5
# Streams end together to within this, if a file is whole; the stated end may count the delay of
# the sound's codec, as much as 0.14 s (MP3 at 8 kHz).
_SHORT_SECONDS = 0.2
_REORDERED_PACKETS = 32


@dataclass
class Packets:
    """Packets of the two streams, in decode order."""

    video: list[Packet[Stream]] = field(default_factory=list)
    audio: list[Packet[Stream]] = field(default_factory=list)


def pts_of(packet: Packet[Stream]) -> int:
    """Presentation time in ticks; formats without B-frames may store the decoding time alone."""
    pts = packet.pts if packet.pts is not None else packet.dts
    if pts is None:
        raise SampleError(f"a packet of stream {packet.stream_index} has no time")
    return pts


def read_packets(
    media: Media, start_seconds: float, stop_seconds: float, *, video: bool, audio: bool
) -> Packets:
    """All packets of the asked-for streams that matter to [start, stop] of the file's clock.

    The video starts with a keyframe at or before the start (or with the file), the asked-for
    streams run on to the first packet after the stop (or to the end of the file). One seek, or
    none near the file's start. Raises SampleError if the file ends before its header says.
    """
    wanted: list[Stream] = [
        s for s, want in ((media.video, video), (media.audio, audio)) if want and s
    ]
    if not wanted:
        return Packets()
    first = max(start_seconds - _REORDER_SECONDS, 0.0)
    if first > 0 and media.is_timed_after_a_seek:
        if _sought(media, first, wanted[0]):
            found = _demux(media, wanted, stop_seconds)
            if _reaches_back(media, wanted, found, start_seconds):
                return found
        earliest = -abs(media.container.duration or 0) - 10**9
        media.container.seek(earliest, backward=False)
    return _demux(media, wanted, stop_seconds)


def _sought(media: Media, seconds: float, stream: Stream) -> bool:
    """Whether the file now stands near `seconds`: FLV, for one, knows no place past its end."""
    try:
        media.container.seek(media.pts_at(seconds, stream), stream=stream)
    except FFmpegError:
        return False
    return True


def _demux(media: Media, wanted: list[Stream], stop_seconds: float) -> Packets:
    found = Packets()
    stop = stop_seconds + (0.0 if media.stores_dts else _READ_ON_SECONDS)
    budget = Budget(MOST_PACKETS, "packets")
    stop_pts = {s.index: media.pts_at(stop, s) for s in wanted}
    unfinished = set(stop_pts)
    for packet in media.demux(*(s for s in (media.video, media.audio) if s)):
        if packet.dts is None and packet.pts is None:
            continue  # the empty packet that would flush the decoder
        kept = found.video if packet.stream is media.video else found.audio
        kept.append(packet)
        budget.spend(1)
        index = packet.stream_index
        if index in unfinished and packet.dts is not None and packet.dts > stop_pts[index]:
            if packet.is_discard:
                continue  # the rest of a piece that an edit list cuts: the next piece follows it
            unfinished.discard(index)
            if not unfinished:
                return found
    _check_end(media, found)
    return found


def _reaches_back(media: Media, wanted: list[Stream], found: Packets, start_seconds: float) -> bool:
    for stream in wanted:
        limit = media.pts_at(start_seconds, stream)
        is_video = stream is media.video
        packets = found.video if is_video else found.audio
        starts = (p for p in packets if p.is_keyframe) if is_video else iter(packets[:1])
        if not any(pts_of(p) <= limit for p in starts):
            return False
        # Among several edits a seek may lead to a later one.
        if not any(pts_of(p) <= limit for p in packets if not p.is_discard):
            return False
    return True


def _check_end(media: Media, found: Packets) -> None:
    """A Matroska file that ends before its header says has been cut off."""
    container = media.container
    if "matroska" not in container.format.name or not container.duration:
        return
    ends = [0.0]
    for stream, packets in ((media.video, found.video), (media.audio, found.audio)):
        if stream is not None:
            tail = packets[-_REORDERED_PACKETS:]
            ends += [float(media.seconds(pts_of(p) + (p.duration or 0), stream)) for p in tail]
    stated = container.duration / 1_000_000 - float(media.origin)
    if max(ends) < stated - _SHORT_SECONDS:
        raise SampleError(f"truncated: ends at {max(ends):.2f} s of {stated:.2f} s")


def check_boxes(data: bytes) -> None:
    """Raises SampleError unless the boxes of an MP4 fill it exactly to its end.

    FFmpeg would read a cut-off index as a shorter one, and show other frames without a word.
    """
    at = 0
    while at + 8 <= len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        if size == 1:
            size = int.from_bytes(data[at + 8 : at + 16], "big")
        if size == 0:
            return  # the last box, open-ended
        at += max(size, 8)
    if at > len(data):
        raise SampleError(f"truncated: {len(data)} bytes of at least {at}")
