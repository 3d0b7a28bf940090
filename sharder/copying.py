"""The copy profile: packets as they are, cut at keyframes."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import accumulate
from math import ceil
from operator import itemgetter

import av
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.error import FFmpegError
from av.packet import Packet
from av.stream import Stream

from replai.core.errors import SampleError
from replai.core.record import VideoFacts
from replai.core.timeline import Span
from replai.media.container import Media, time_base
from replai.media.packets import pts_of
from replai.media.rotation import shown_size
from sharder.avi_index import refuse_misplaced
from sharder.damage import refuse_damaged, refuse_holes
from sharder.decodable import be_strict, refuse_undecodable
from sharder.encoded import MP4_OPTIONS, EncodedSegment, Size, audio_facts, sound_of
from sharder.span_packets import read_span


def copy_span(media: Media, span: Span, size: Size | None = None) -> EncodedSegment:
    """The packets from the keyframe at or before `span` to the last frame of it.

    All packets up to that frame are kept, in decode order, so that every frame has what it
    refers to; leading frames of an open GOP, which refer to what is not kept, are left out. The
    mp4 says, as the source did, how it is to be turned.
    Raises SampleError where there is no keyframe, a packet is damaged, or the codec cannot stand
    in an mp4.
    """
    video = media.video
    if video is None:
        raise SampleError("no video stream")
    be_strict(media)
    found = read_span(media, span)
    first = pts_of(found.video[0])
    led = [packet for packet in found.video if pts_of(packet) >= first]
    pictures = led[: _closed(led, media.pts_at(span.stop_seconds, video))]
    _refuse_hidden(media, pictures)
    start = first * time_base(video)
    stop = max(pts_of(p) + (p.duration or 0) for p in pictures) * time_base(video)
    if stop <= Fraction(span.start_seconds) + media.origin:
        raise SampleError(
            f"no frame begins at {span.start_seconds:.2f} s or later: it is damaged, or shown for "
            "long, and its container does not say so (use --profile transcode)"
        )
    # Only of MP4 all pictures have the size of the first.
    known = size if media.stores_dts else None
    width, height = known or shown_size(video.codec_context, pictures)
    audio = sound_of(media)
    sound = _between(found.audio, start, stop) if audio is not None else []
    refuse_holes(media, found, span)
    for kept, read in ((pictures, found.video), (sound, found.audio)):
        refuse_damaged(media, kept)
        refuse_misplaced(media, _from_first_to_last(kept, read))
        refuse_undecodable(media, kept)
    audio = audio if sound else None
    return EncodedSegment(
        media=_muxed(pictures, sound, (video, audio), start),
        start_seconds=float(start - media.origin),
        duration_seconds=float(stop - start),
        video=VideoFacts(
            width=width,
            height=height,
            fps=float(video.average_rate or 0),
            codec=video.codec_context.codec.canonical_name,
        ),
        audio=audio_facts(audio),
    )


def _from_first_to_last(
    kept: Sequence[Packet[Stream]], read: Sequence[Packet[Stream]]
) -> Sequence[Packet[Stream]]:
    """`kept` with what was `read` between them."""
    return read[read.index(kept[0]) : read.index(kept[-1]) + 1] if kept else kept


def _between(
    packets: Sequence[Packet[Stream]], start: Fraction, stop: Fraction
) -> list[Packet[Stream]]:
    """Those of one stream that begin within [start, stop) of the container's own seconds."""
    if not packets:
        return []
    tick = time_base(packets[0].stream)
    first, end = ceil(start / tick), ceil(stop / tick)
    return [packet for packet in packets if first <= pts_of(packet) < end]


def _closed(packets: Sequence[Packet[Stream]], stop: int) -> int:
    """How many packets, in decode order, hold all frames before `stop` and leave no hole."""
    shown = [(i, pts_of(packet)) for i, packet in enumerate(packets) if not packet.is_discard]
    count, end = 1, stop
    while (needed := max((i for i, at in shown if at < end), default=0) + 1) > count:
        count, end = needed, max(end, *(at for i, at in shown if i < needed))
    return count


def _refuse_hidden(media: Media, pictures: Sequence[Packet[Stream]]) -> None:
    """Raises SampleError where an edit list cuts pieces out of `pictures`, or repeats them.

    What it hides a copy would show. Before the file's first frame and behind the last of
    `pictures` that may be: nobody looks there.
    """
    video = pictures[0].stream
    zero = media.pts_at(0.0, video)
    last = max((pts_of(p) for p in pictures if not p.is_discard), default=zero)
    hidden = [pts_of(p) for p in pictures if p.is_discard and zero <= pts_of(p) < last]
    if hidden:
        raise SampleError(
            f"its edit list cuts at {float(media.seconds(hidden[0], video)):.2f} s, where a copy "
            "would show what it hides (use --profile transcode)"
        )


def _muxed(
    pictures: Sequence[Packet[Stream]],
    sound: Sequence[Packet[Stream]],
    streams: Sequence[Stream | None],
    start: Fraction,
) -> bytes:
    sink = io.BytesIO()
    try:
        with av.open(sink, "w", format="mp4", options=MP4_OPTIONS) as target:
            targets = {
                stream.index: _added(target, stream) for stream in streams if stream is not None
            }
            packets = [*_retimed(pictures, start), *_retimed(sound, start)]
            for _, packet in sorted(packets, key=itemgetter(0)):
                packet.stream = targets[packet.stream_index]
                target.mux_one(packet)
    except (FFmpegError, ValueError) as error:
        raise SampleError(
            f"cannot be copied into an mp4 ({str(error).splitlines()[0]}); use --profile transcode"
        ) from error
    return sink.getvalue()


def _added(target: OutputContainer, source: Stream) -> Stream:
    stream = target.add_stream_from_template(source)
    if isinstance(source, AudioStream) and isinstance(stream, AudioStream):
        stream.codec_context.layout = source.layout  # the template may tell their number only
    return stream


def _retimed(
    packets: Sequence[Packet[Stream]], start: Fraction
) -> Iterator[tuple[float, Packet[Stream]]]:
    """The packets of one stream with `start` as their zero, each behind its dts in seconds.

    Some containers store no dts: they follow from the pts, in order, early enough for each frame.
    An MPEG program stream has frames of one time: each is decoded a tick after the one before.
    """
    if not packets:
        return
    tick = time_base(packets[0].stream)
    shift, seconds = round(start / tick), float(tick)
    shown = [pts_of(packet) for packet in packets]
    order = sorted(shown)
    if len(set(shown)) < len(shown):
        order = list(accumulate(order, lambda before, at: max(at, before + 1)))
    early = max((by - at for at, by in zip(shown, order, strict=True)), default=0)
    for packet, at, by in zip(packets, shown, order, strict=True):
        packet.pts, packet.dts = at - shift, by - early - shift
        yield packet.dts * seconds, packet
