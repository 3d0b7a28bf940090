"""Packets held against their decoders, where the container cannot vouch for them.

In MP4 and Matroska units of H.264 and HEVC stand behind their lengths, and a transport stream has a
counter every 188 bytes. AVI and MPEG program streams say little of what they hold, so what is
copied of them is decoded, too: it costs some ten times the rest. Any bits are PCM, or an MP2 frame
but for its head; those of H.264's arithmetic coder often are a picture: that nobody finds.
"""

from __future__ import annotations

from collections.abc import Sequence

from av.audio.stream import AudioStream
from av.error import FFmpegError
from av.packet import Packet
from av.stream import Stream
from av.video.stream import VideoStream

from replai.core.errors import SampleError
from replai.media.container import Media
from replai.media.packets import pts_of

_UNVOUCHED = frozenset({"avi", "mpeg"})
_STRICT = {
    "mjpeg": "explode",
    "mp2": "crccheck+explode",
    "mp3": "crccheck+explode",
    "ac3": "crccheck+explode",
    "eac3": "crccheck+explode",
}
"""FFmpeg's `err_detect`, for decoders that say nothing of damage else."""


def be_strict(media: Media) -> None:
    """Has the decoders tell of damage. To be said before one of them is used."""
    for stream in (media.video, media.audio):
        if stream is not None and _is_decoded(media):
            context = stream.codec_context
            strictness = _STRICT.get(context.codec.canonical_name)
            if strictness:
                context.options = {**context.options, "err_detect": strictness}


def refuse_undecodable(media: Media, packets: Sequence[Packet[Stream]]) -> None:
    """Raises SampleError if one of `packets`, all of one stream from a keyframe on, does not decode
    whole. Does nothing where the container vouches."""
    if not packets or not _is_decoded(media):
        return
    stream, at = packets[0].stream, pts_of(packets[0])
    assert isinstance(stream, VideoStream | AudioStream)
    for packet in (*packets, None):
        at = at if packet is None else pts_of(packet)
        try:
            frames = stream.codec_context.decode(packet)
            is_whole = not any(frame.is_corrupt for frame in frames)
        except FFmpegError:
            is_whole = False
        if not is_whole:
            seconds = float(media.seconds(at, stream))
            raise SampleError(f"its {stream.type} is damaged near {seconds:.2f} s")
    stream.codec_context.flush_buffers()


def _is_decoded(media: Media) -> bool:
    return media.container.format.name in _UNVOUCHED
