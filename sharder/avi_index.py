"""AVI: packets held against the file's index, which tells where each chunk lies.

An AVI counts its frames, it does not time them. Where a chunk's head is damaged FFmpeg looks for
the next one, and what follows, up to the next seek, comes as much too early as was lost.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

from av.index import IndexEntries, IndexEntry
from av.packet import Packet
from av.stream import Stream

from replai.core.errors import SampleError
from replai.media.container import Media, time_base
from replai.media.packets import pts_of

_HEAD_BYTES = 8
"""Of a chunk, before its packet: what it is, how long it is."""
_LARGEST_SHIFT_SECONDS = 0.1
"""Of sound, whose packets and chunks need not begin together."""


def is_avi(media: Media) -> bool:
    """Whether what is said here is of `media`."""
    return media.container.format.name == "avi"


def time_by_index(media: Media, packet: Packet[Stream]) -> None:
    """Has a picture of an AVI stand at the time that its place in the index tells.

    FFmpeg counts on from a seek: too few behind what is damaged, and with empty chunks (a frame
    that was dropped) at times too many.
    """
    if media.video is None or packet.stream is not media.video:
        return
    if packet.pos is None or packet.dts is None:
        return
    entry = _last_by(media.video.index_entries, packet.pos)
    if entry is not None and _is_frame_of(packet, entry):
        shift = entry.timestamp - packet.dts
        packet.dts += shift
        if packet.pts is not None:
            packet.pts += shift


def refuse_misplaced(media: Media, packets: Sequence[Packet[Stream]]) -> None:
    """Raises SampleError if `packets`, a run of one stream's, are not what an AVI's index lists.

    An index with which most of them disagree is not believed: it may be lost, or of another make.
    """
    places = [packet.pos for packet in packets if packet.pos is not None]
    if not is_avi(media) or not packets or len(places) < len(packets):
        return
    stream = packets[0].stream
    listed = _between(stream.index_entries, min(places), max(places))
    is_part = _is_frame_of if stream is media.video else _is_piece_of
    found = [_last_by(listed, place) for place in places]
    strays = [p for p, e in zip(packets, found, strict=True) if e is None or not is_part(p, e)]
    if 2 * len(strays) >= len(packets):
        return
    largest = 0 if stream is media.video else max(packet.size for packet in packets)
    read = {entry.pos for entry in found if entry is not None}
    # In a chunk as long as the longest piece of sound, one begins.
    lost = [entry.pos for entry in listed if entry.size >= largest and entry.pos not in read]
    behind = [packet for packet in packets if lost and (packet.pos or 0) > lost[0]]
    for packet in (*strays, *behind):
        seconds = float(media.seconds(pts_of(packet), stream))
        raise SampleError(f"its {stream.type} is damaged at {seconds:.2f} s, by its index")
    if stream is not media.video:
        _refuse_shifted(media, packets, found)


def _refuse_shifted(
    media: Media, sound: Sequence[Packet[Stream]], found: Sequence[IndexEntry | None]
) -> None:
    """Raises SampleError if something was lost before `sound`, so that it comes too early.

    The index counts what the stream's ticks count, or the bytes of these.
    """
    largest = _LARGEST_SHIFT_SECONDS / float(time_base(sound[0].stream))
    for packet, entry in zip(sound, found, strict=True):
        if entry is not None and packet.pos == entry.pos + _HEAD_BYTES:
            told = {entry.timestamp, entry.timestamp * (packet.duration or 0) / packet.size}
            if min(abs(pts_of(packet) - at) for at in told) > largest:
                seconds = float(media.seconds(pts_of(packet), packet.stream))
                raise SampleError(f"its audio is damaged before {seconds:.2f} s, by its index")
            return


def _between(entries: IndexEntries, first: int, last: int) -> Sequence[IndexEntry]:
    """The entries of the chunks in which bytes `first` to `last` of the file lie."""
    start = bisect_right(entries, first - _HEAD_BYTES, key=_pos)
    stop = bisect_right(entries, last - _HEAD_BYTES, key=_pos)
    return entries[max(start - 1, 0) : stop]


def _last_by(entries: IndexEntries | Sequence[IndexEntry], place: int) -> IndexEntry | None:
    """The entry of the chunk that begins last before byte `place` of the file."""
    at = bisect_right(entries, place - _HEAD_BYTES, key=_pos)
    return entries[at - 1] if at else None


def _pos(entry: IndexEntry) -> int:
    return entry.pos


def _is_frame_of(packet: Packet[Stream], entry: IndexEntry) -> bool:
    return packet.pos == entry.pos + _HEAD_BYTES and packet.size == entry.size


def _is_piece_of(packet: Packet[Stream], entry: IndexEntry) -> bool:
    assert packet.pos is not None
    return packet.pos < entry.pos + _HEAD_BYTES + entry.size
