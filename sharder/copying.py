"""The copy profile: packets as they are, cut at keyframes."""

from __future__ import annotations

import io
from collections.abc import Sequence
from fractions import Fraction

import av
from av.error import FFmpegError
from av.packet import Packet
from av.stream import Stream

from replai.core.errors import SampleError
from replai.core.record import VideoFacts
from replai.core.timeline import Span
from replai.media.container import Media, time_base
from sharder.encoded import MP4_OPTIONS, EncodedSegment, audio_facts


def copy_span(media: Media, span: Span) -> EncodedSegment:
    """The packets from the keyframe at or before `span` to the end of its last GOP.

    Reading on to the end of the GOP keeps every frame that a frame of the span refers to; leading
    frames of an open GOP, which refer to what is not kept, are left out. Raises SampleError
    where there is no keyframe, or the codec cannot stand in an mp4.
    """
    video = media.video
    if video is None:
        raise SampleError("no video stream")
    packets = _packets_of_span(media, span)
    start = _seconds(next(packet for packet in packets if packet.stream is video))
    kept = [packet for packet in packets if _seconds(packet) >= start]
    stop = max(
        _seconds(packet) + (packet.duration or 0) * time_base(video)
        for packet in kept
        if packet.stream is video
    )
    return EncodedSegment(
        media=_muxed(kept, media, start),
        start_seconds=float(start - media.origin),
        duration_seconds=float(stop - start),
        video=VideoFacts(
            width=video.width,
            height=video.height,
            fps=float(video.average_rate or 0),
            codec=video.codec_context.name,
        ),
        audio=audio_facts(media.audio),
    )


def _seconds(packet: Packet[Stream]) -> Fraction:
    """Presentation time in the container's own seconds."""
    assert packet.pts is not None
    return packet.pts * time_base(packet.stream)


def _packets_of_span(media: Media, span: Span) -> list[Packet[Stream]]:
    """The packets of both streams, a keyframe of the video first."""
    assert media.video is not None
    streams: list[Stream] = [s for s in (media.video, media.audio) if s is not None]
    stop = Fraction(span.stop_seconds) + media.origin
    media.container.seek(
        media.pts_at(span.start_seconds, media.video), stream=media.video, backward=True
    )
    packets: list[Packet[Stream]] = []
    ended = {stream.index: False for stream in streams}
    for packet in media.container.demux(*streams):
        if packet.dts is None or packet.pts is None:
            continue
        index = packet.stream.index
        past = _seconds(packet) >= stop
        ended[index] |= past and (packet.is_keyframe or packet.stream is not media.video)
        if all(ended.values()):
            break
        if not ended[index]:
            packets.append(packet)
    return _from_first_keyframe(packets, media.video)


def _from_first_keyframe(packets: Sequence[Packet[Stream]], video: Stream) -> list[Packet[Stream]]:
    pictures = [packet for packet in packets if packet.stream is video]
    while pictures and not pictures[0].is_keyframe:
        pictures.pop(0)
    if not pictures:
        raise SampleError("no keyframe in the span")
    return pictures + [packet for packet in packets if packet.stream is not video]


def _muxed(packets: Sequence[Packet[Stream]], media: Media, start: Fraction) -> bytes:
    sink = io.BytesIO()
    try:
        with av.open(sink, "w", format="mp4", options=MP4_OPTIONS) as target:
            targets = {
                stream.index: target.add_stream_from_template(stream)
                for stream in (media.video, media.audio)
                if stream is not None
            }
            for packet in sorted(packets, key=lambda p: (p.dts or 0) * time_base(p.stream)):
                assert packet.pts is not None and packet.dts is not None
                shift = round(start / time_base(packet.stream))
                packet.pts -= shift
                packet.dts -= shift
                packet.stream = targets[packet.stream.index]
                target.mux(packet)
    except (FFmpegError, ValueError) as error:
        raise SampleError(
            f"cannot be copied into an mp4 ({str(error).splitlines()[0]}); use --profile transcode"
        ) from error
    return sink.getvalue()
