"""The packets of one span of a long file, undecoded: what both storage profiles start from."""

from __future__ import annotations

import math
from collections import defaultdict, deque
from collections.abc import Iterator, Mapping, Sequence

from av.error import FFmpegError
from av.packet import Packet
from av.stream import Stream

from replai.core.errors import SampleError
from replai.core.timeline import Span
from replai.media.audio import PREROLL_SECONDS, preroll_seconds
from replai.media.container import Media, start_pts, time_base
from replai.media.mono import MOST_BACK_SECONDS, clock_starts_anew
from replai.media.packets import Packets, pts_of
from sharder.avi_index import is_avi, time_by_index

# Keyframes are found by dts, wanted by pts; and MPEG-TS, for one, seeks to any packet at all.
_STEPS_BACK_SECONDS = (0.25, 2.0, 10.0, 60.0, math.inf)
# How far to read on where the container does not store dts, so that they are guesses.
_GUESSED_DTS_SECONDS = 1.0
# Streams of one time lie within this of each other in a file; what does not is not there.
_INTERLEAVED_SECONDS = 10.0
_EARLIEST = -(10**12)
# Behind a seek the times of an MPEG program stream are guesses, up to the next that is stored: by
# the standard 0.7 s at most.
_SETTLING_SECONDS = 2.0
_STEADY = 4
"""Packets of a stream whose times agree with each other."""
_MOST_STRAYS = 100
"""Packets: in 0.7 s there are no more."""


def read_span(media: Media, span: Span) -> Packets:
    """The packets of both streams that matter to `span`, in decode order.

    The video starts with the last keyframe at or before the span's start (with the file's first
    one, where there is none) and runs on past every frame of the span; the sound starts
    `preroll_seconds` before it. No more is kept in memory than that, however long the file. Raises
    SampleError where the video has no keyframe.
    """
    assert media.video is not None
    settling = 0.0 if media.is_timed_after_a_seek else _SETTLING_SECONDS
    for back in (step for step in _STEPS_BACK_SECONDS if step > settling):
        from_the_start = span.start_seconds <= back
        if from_the_start:
            media.container.seek(_EARLIEST, backward=False)
        else:
            target = media.pts_at(span.start_seconds - back, media.video)
            try:
                media.container.seek(target, stream=media.video)
            except FFmpegError:  # as an MP4's before its first keyframe
                continue
        found = _read_on(media, span, 0.0 if from_the_start else settling)
        if from_the_start or (
            _video_reaches_back(media, found, span)
            and (back >= _INTERLEAVED_SECONDS or _sound_reaches_back(media, found, span))
        ):
            break
    if not found.video:
        raise SampleError("no keyframe in the span")
    return found


def up_to(media: Media, packets: Packets, stop_seconds: float) -> Packets:
    """Those of `packets` that frames and sound before `stop_seconds` need, in decode order."""
    assert media.video is not None
    stop = media.pts_at(stop_seconds, media.video)
    count = max((i for i, p in enumerate(packets.video) if pts_of(p) <= stop), default=0) + 1
    if media.audio is None:
        return Packets(packets.video[:count])
    stop = media.pts_at(stop_seconds + PREROLL_SECONDS, media.audio)
    return Packets(packets.video[:count], [p for p in packets.audio if pts_of(p) <= stop])


def _read_on(media: Media, span: Span, settling_seconds: float) -> Packets:
    """From where the file stands, but for the first `settling_seconds`, to the end of `span`."""
    found = Packets()
    assert media.video is not None
    start = media.pts_at(span.start_seconds, media.video)
    more = PREROLL_SECONDS if media.stores_dts else _GUESSED_DTS_SECONDS
    packets = _until(media, span.stop_seconds + more)
    key = None  # where in the video a later GOP begins, until it shows a frame by the start
    for packet in _settled(media, packets, settling_seconds) if settling_seconds else packets:
        if packet.stream is not media.video:
            found.audio.append(packet)
            continue
        if packet.is_keyframe and (not found.video or pts_of(packet) <= start):
            key = len(found.video)
        if packet.is_keyframe or found.video:
            found.video.append(packet)
        if key is not None and (not key or _is_shown_by(start, packet)):
            del found.video[:key]
            key = None
            _drop_sound_before(media, found, found.video[0])
    return found


def _until(media: Media, stop_seconds: float) -> Iterator[Packet[Stream]]:
    """Packets with a time, up to the first of each stream that is past `stop_seconds`."""
    streams: list[Stream] = [s for s in (media.video, media.audio) if s is not None]
    stops = {s.index: media.pts_at(stop_seconds, s) for s in streams}
    ends = {s.index: media.pts_at(stop_seconds + _INTERLEAVED_SECONDS, s) for s in streams}
    unfinished, is_counted, has_begun = set(stops), is_avi(media), False
    latest: defaultdict[int, deque[int]] = defaultdict(lambda: deque(maxlen=2 * _STEADY))
    packets = media.demux(*streams)
    if not media.is_timed_after_a_seek:
        packets = _without_strays(packets, ends)
    for packet in packets:
        _keep_settings(media, packet)
        if is_counted:
            time_by_index(media, packet)
        time = packet.dts if packet.dts is not None else packet.pts
        if time is None:
            _refuse_untimed(media, packet, has_begun)
            continue
        has_begun |= packet.stream is media.video
        index = packet.stream_index
        if not media.stores_dts:
            latest[index].append(time)
            _refuse_another_clock(media, packet.stream, list(latest[index]))
        if index in unfinished:
            yield packet
        # Hidden by an edit list: the rest of a piece that it cuts, and the next piece follows.
        if time <= stops[index] or packet.is_discard:
            continue
        unfinished.discard(index)
        if not unfinished or time > ends[index]:
            return


def _refuse_another_clock(media: Media, stream: Stream, times: Sequence[int]) -> None:
    """Raises SampleError where the last of `times` lie far before those that came before them; one
    by itself may be damaged."""
    before, since = times[:_STEADY], times[_STEADY:]
    if len(since) < _STEADY:
        return
    if (min(before) - max(since)) * time_base(stream) > MOST_BACK_SECONDS:
        raise SampleError(clock_starts_anew(float(media.seconds(max(before), stream))))


def _refuse_untimed(media: Media, packet: Packet[Stream], has_begun: bool) -> None:
    """Raises SampleError if `packet` is a picture of H.264 or HEVC that later ones are made from.

    An MPEG program stream times the first of several small ones only, which FFmpeg makes up for
    with older codecs alone.
    """
    if packet.stream is not media.video or not packet.size or not has_begun:
        return
    if packet.stream.codec_context.name in ("h264", "hevc"):
        raise SampleError("some of its pictures have no time; convert it to MP4 or Matroska")


def _without_strays(
    packets: Iterator[Packet[Stream]], ends: Mapping[int, int]
) -> Iterator[Packet[Stream]]:
    """`packets` without the few that seem to be past `ends`, though those behind them are not.

    One damaged time of an MPEG program stream, and those that FFmpeg counts on from it.
    """
    late = dict.fromkeys(ends, 0)
    for packet in packets:
        time, index = packet.dts if packet.dts is not None else packet.pts, packet.stream_index
        late[index] = late[index] + 1 if time is not None and time > ends[index] else 0
        if not 0 < late[index] <= _MOST_STRAYS:
            yield packet


def _keep_settings(media: Media, packet: Packet[Stream]) -> None:
    """Has `packet` say what it was encoded with, if that is not what the stream's header says.

    An MP4 may change it on the way (two files joined, say). A demuxer tells so with the first
    packet that it reads of the new kind, which need not be in the span.
    """
    if packet.has_sidedata("new_extradata"):
        media.settings[packet.stream_index] = packet.get_sidedata("new_extradata")
    elif packet.stream_index in media.settings:
        packet.set_sidedata(media.settings[packet.stream_index])


def _settled(
    media: Media, packets: Iterator[Packet[Stream]], seconds: float
) -> Iterator[Packet[Stream]]:
    """`packets` without those before the first that is `seconds` behind the first."""
    first = math.inf
    for packet in packets:
        at = float(media.seconds(pts_of(packet), packet.stream))
        first = min(first, at)
        if at >= first + seconds:
            yield packet
            break
    yield from packets


def _drop_sound_before(media: Media, found: Packets, keyframe: Packet[Stream]) -> None:
    if media.audio is not None:
        seconds = float(media.seconds(pts_of(keyframe), keyframe.stream))
        first = media.pts_at(seconds - preroll_seconds(media.audio), media.audio)
        found.audio[:] = [p for p in found.audio if pts_of(p) + (p.duration or 0) >= first]


def _video_reaches_back(media: Media, found: Packets, span: Span) -> bool:
    assert media.video is not None
    start = media.pts_at(span.start_seconds, media.video)
    if not found.video or pts_of(found.video[0]) > start:
        return False
    # Among several edits a seek may lead to a later one.
    return any(_is_shown_by(start, packet) for packet in found.video)


def _is_shown_by(pts: int, packet: Packet[Stream]) -> bool:
    """Whether the frame of `packet` is not hidden by an edit list, and shown at `pts` or before."""
    return not packet.is_discard and pts_of(packet) <= pts


def _sound_reaches_back(media: Media, found: Packets, span: Span) -> bool:
    if media.audio is None:
        return True
    first = media.pts_at(span.start_seconds - preroll_seconds(media.audio), media.audio)
    return bool(found.audio) and pts_of(found.audio[0]) <= max(first, start_pts(media.audio))
