"""An open media file: its one video stream, its one audio stream, and their common clock.

The clock of a file: seconds, zero at the first frame of the video stream by pts (at the first
audio sample, in a file without video). pts leave this package only as such seconds. AVI stores no
pts: where its frames are reordered, zero is when the first one may be decoded, a frame or two
before it is shown.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from math import floor
from pathlib import Path
from typing import BinaryIO, Literal, TypeVar

import av
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.error import FFmpegError
from av.packet import Packet, PacketSideData
from av.stream import Discard, Disposition, Stream
from av.video.stream import VideoStream

from replai.core.errors import SampleError
from replai.media.limits import LARGEST_PICTURE_PIXELS, check_audio_rate, check_picture

StreamT = TypeVar("StreamT", bound=Stream)
MediaFile = str | bytes | BinaryIO

# Playlists (hls, concat, dash) would open further files and URLs that an untrusted sample names.
_FORMATS = "mov,matroska,mpegts,mpeg,avi,wav,w64,flac,mp3,aac,ogg,flv,asf,ivf"
_PICTURES = Disposition.attached_pic | Disposition.timed_thumbnails | Disposition.still_image
_BUFFER_BYTES = 1 << 18
_DECODER_OPTIONS = {"max_pixels": str(LARGEST_PICTURE_PIXELS)}
UNPROBED = {"codec_whitelist": "none", "probesize": "32", "fpsprobesize": "0"}
"""How to open an MP4, its format named, with the least work: FFmpeg's probe may open no decoder."""
_MOST_WAITING = 500
_LAYOUTS = ("mono", "stereo", "2.1", "4.0", "5.0", "5.1", "6.1", "7.1")


@dataclass(frozen=True)
class Media:
    """An open container. `origin` is the clock's zero in seconds of the container's own pts."""

    container: InputContainer
    video: VideoStream | None
    audio: AudioStream | None
    origin: Fraction
    settings: dict[int, PacketSideData] = field(default_factory=dict, compare=False)
    """Of a stream, by its index, whose codec's settings have changed on the way: those that the
    packet read last has, which a demuxer tells with the first one only."""

    @property
    def is_timed_after_a_seek(self) -> bool:
        """Whether packets behind a seek have the times they have when read from the start.

        An MPEG program stream times some of its frames only; FFmpeg counts on from those, and
        after a seek from a guess.
        """
        return self.container.format.name != "mpeg"

    @property
    def stores_dts(self) -> bool:
        """Whether each packet's dts is stored, not guessed: nothing shown by then follows it."""
        return self.container.format.name.startswith("mov")

    def seconds(self, pts: int, stream: Stream) -> Fraction:
        """`pts` of `stream`, on the file's clock."""
        return pts * time_base(stream) - self.origin

    def pts_at(self, seconds: float, stream: Stream) -> int:
        """The last pts of `stream` at or before `seconds` of the file's clock.

        A microsecond of tolerance: a float that means a frame's own time must find that frame.
        """
        tick = time_base(stream)
        # In floats: exact to 1e-9 s after a year of video, and Fractions take ten times as long.
        zero = self.origin.numerator / self.origin.denominator
        return floor((seconds + 1e-6 + zero) * tick.denominator / tick.numerator)

    def demux(self, *streams: Stream) -> Iterator[Packet[Stream]]:
        """Packets of `streams` from where the file stands to its end; then an empty one for each,
        without a time, that makes its decoder give what it holds back.
        """
        packets = self._demux(streams)
        yield from packets if self.is_timed_after_a_seek else self._parted(packets)

    def _demux(self, streams: Sequence[Stream]) -> Iterator[Packet[Stream]]:
        try:
            yield from self.container.demux(*streams)
        except IndexError:
            return  # PyAV, behind all packets: a stream that came up on the way is not in its list

    def _parted(self, packets: Iterator[Packet[Stream]]) -> Iterator[Packet[Stream]]:
        """`packets` in their order, those of sound before the time of the next one.

        Of an MPEG program stream FFmpeg now and then gives a frame of AC-3 the time of the next.
        """
        waiting: list[Packet[Stream]] = []
        """A packet of sound, and what follows it."""
        for packet in packets:
            is_sound = packet.stream is self.audio
            if waiting and (is_sound or len(waiting) == _MOST_WAITING):
                sound = waiting[0]
                if is_sound and sound.pts is not None and sound.pts == packet.pts:
                    sound.pts = sound.dts = sound.pts - (sound.duration or 0)
                yield from waiting
                waiting.clear()
            if is_sound or waiting:
                waiting.append(packet)
            else:
                yield packet
        yield from waiting

    def only(self, kept: Stream) -> None:
        """From here on, have the demuxer skip every other stream unread."""
        for stream in self.container.streams:
            if stream is not kept:
                stream.discard = Discard.all


@contextmanager
def open_media(file: MediaFile) -> Iterator[Media]:
    """The open `file`: a path, the bytes of a file, or a seekable binary file object.

    Decoders use one thread each: the workers are the parallelism. Paths are files, never URLs.
    Raises SampleError, here and from the body, if the bytes are damaged or are not media, and
    what opening or reading the file itself raises (OSError).
    """
    with _bytes_of(file) as stream, damage_is_sample_error(), ExitStack() as stack:
        yield _media(stack.enter_context(_opened(stream, unprobed=False)))


@contextmanager
def open_sample(file: MediaFile) -> Iterator[Media]:
    """As `open_media`, some ms of CPU sooner where `file` is what sharder stores: H.264 in MP4.

    FFmpeg's probing opens the decoders and decodes a frame, to learn what the header of such a
    file says anyhow. Where it does not say it, the file is opened as any other.
    """
    with _bytes_of(file) as stream, damage_is_sample_error(), ExitStack() as stack:
        is_mp4 = stream.read(8)[4:] == b"ftyp"
        stream.seek(0)
        container = stack.enter_context(_opened(stream, unprobed=is_mp4))
        if is_mp4 and not _header_says_all(container):
            container.close()
            stream.seek(0)
            container = stack.enter_context(_opened(stream, unprobed=False))
        yield _media(container)


def _opened(stream: BinaryIO, *, unprobed: bool) -> InputContainer:
    """`unprobed`: an MP4, its header taken at its word."""
    return av.open(
        stream,
        "r",
        format="mov" if unprobed else None,
        # The decoder's too: a probe decodes some frames, to learn what headers do not say.
        options={
            "format_whitelist": _FORMATS,
            **_DECODER_OPTIONS,
            **(UNPROBED if unprobed else {}),
        },
        metadata_errors="replace",
        buffer_size=_BUFFER_BYTES,
    )


def _header_says_all(container: InputContainer) -> bool:
    """Whether an unprobed MP4 is H.264, perhaps with AAC, of known start, and not fragmented."""
    for stream in container.streams:
        context = getattr(stream, "codec_context", None)
        if context is None or stream.start_time is None or not stream.frames:
            return False
        if context.name not in ("h264", "aac"):
            return False
    return len(container.streams.video) == 1 and len(container.streams.audio) <= 1


@contextmanager
def damage_is_sample_error() -> Iterator[None]:
    """FFmpeg's complaints about the data as SampleError; every other exception passes through.

    FFmpeg's ENOMEM is among them: it answers so to damaged headers that declare absurd sizes.
    Python's own MemoryError is not.
    """
    try:
        yield
    except FFmpegError as error:
        raise SampleError(f"does not decode: {error.strerror or type(error).__name__}") from error


def time_base(stream: Stream) -> Fraction:
    """Seconds a tick of `stream`."""
    base = stream.time_base  # PyAV makes a new Fraction each time
    if not base:
        raise SampleError(f"stream {stream.index} has no time base")
    return base


def start_pts(stream: Stream) -> int:
    """pts of the first frame of `stream`, by the header; 0 where it is silent on that."""
    return stream.start_time or 0


@contextmanager
def _bytes_of(file: MediaFile) -> Iterator[BinaryIO]:
    if isinstance(file, str):
        with Path(file).open("rb") as opened:
            yield opened
    else:
        yield io.BytesIO(file) if isinstance(file, bytes) else file


def _media(container: InputContainer) -> Media:
    video = _chosen(container.streams.video, _best(container, "video"))
    audio = _chosen(container.streams.audio, _best(container, "audio"))
    for stream in (video, audio):
        if stream is not None:
            stream.codec_context.thread_count = 1
            stream.codec_context.options = dict(_DECODER_OPTIONS)
    if video is not None:
        check_picture(video.codec_context.width, video.codec_context.height)
    if audio is not None and audio.sample_rate:  # 0: declared, but there is none
        check_audio_rate(audio.sample_rate)
        _name_layout(audio)
    clock = video or audio
    origin = start_pts(clock) * time_base(clock) if clock else Fraction(0)
    return Media(container, video, audio, origin)


def _name_layout(audio: AudioStream) -> None:
    """Where a file tells the number of channels only (PCM in AVI), they are FFmpeg's usual ones."""
    told = audio.layout.name != f"{audio.channels} channels"
    if not told and 0 < audio.channels <= len(_LAYOUTS):
        audio.codec_context.layout = _LAYOUTS[audio.channels - 1]


def _best(container: InputContainer, kind: Literal["video", "audio"]) -> Stream | None:
    try:
        return container.streams.best(kind)
    except IndexError:  # PyAV, where damage has left FFmpeg a stream that PyAV does not know
        return None


def _chosen(streams: tuple[StreamT, ...], best: Stream | None) -> StreamT | None:
    """FFmpeg's choice among the streams that decode and are not pictures; else the first such."""
    # PyAV has no codec context for a stream that this FFmpeg cannot decode, whatever its stub says.
    usable = [s for s in streams if getattr(s, "codec_context", None) and not is_picture(s)]
    return next((s for s in usable if s is best), next(iter(usable), None))


def is_picture(stream: Stream) -> bool:
    """Whether `stream` is a cover picture or thumbnails rather than video."""
    return bool(stream.disposition & _PICTURES)
