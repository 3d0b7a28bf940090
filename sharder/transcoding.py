"""The transcoded profile: small frames on a fixed grid, short GOPs, AAC sound."""

from __future__ import annotations

import io
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import ceil

import av
from av.container import OutputContainer
from av.packet import Packet
from av.stream import Stream
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, VideoReformatter
from av.video.stream import VideoStream

from replai.core.errors import SampleError
from replai.core.record import AudioFacts, VideoFacts
from replai.core.timeline import Span, slot_centres
from replai.media.container import Media
from replai.media.packets import pts_of
from replai.media.rotation import Upright, shown_size
from sharder.avi_index import refuse_misplaced
from sharder.colours import matrix_of, tag
from sharder.damage import refuse_damaged, refuse_holes
from sharder.encoded import MP4_OPTIONS, EncodedSegment, Size
from sharder.sound import add_sound, encode_sound, sound_kind, stored_sound
from sharder.span_packets import read_span, up_to


@dataclass(frozen=True, kw_only=True)
class TranscodeSettings:
    """How segments are encoded anew. docs/scale.md says what each default was chosen for."""

    short_side: int = 256
    """Pixels; a smaller source keeps its size."""
    fps: int = 16
    gop_frames: int = 8
    """Frames from keyframe to keyframe."""
    crf: int = 23
    """x264's constant rate factor, 0..51; lower is better and larger."""
    preset: str = "veryfast"
    tune: str = "fastdecode"
    """x264's, if any; `fastdecode` leaves out what decoders spend most on."""
    audio_kbit_per_channel: int = 32
    audio_rate_hz: int = 16000
    """Highest rate of the stored sound, one of AAC's; a lower rate that AAC knows is kept. 16 kHz
    is what the audio encoder hears."""


def transcode_span(
    media: Media, span: Span, settings: TranscodeSettings, size: Size | None = None
) -> EncodedSegment:
    """The frames on screen at each 1/fps slot of `span`, upright and scaled, and its sound with
    its own channels, at most `audio_rate_hz`. Raises SampleError where nothing decodes, and where
    something is damaged.
    """
    if media.video is None or not media.video.width * media.video.height:
        raise SampleError("no video stream")
    num_frames = max(1, ceil(span.duration_seconds * settings.fps - 1e-6))
    stored = Span(span.start_seconds, span.start_seconds + num_frames / settings.fps)
    found = read_span(media, span)
    refuse_holes(media, found, span)
    packets = up_to(media, found, stored.stop_seconds)
    refuse_damaged(media, packets.video)
    refuse_damaged(media, packets.audio)
    refuse_misplaced(media, packets.video)
    refuse_misplaced(media, packets.audio)
    size = size or shown_size(media.video.codec_context, packets.video)
    width, height = scaled_size(*size, settings.short_side)
    sink, kind = io.BytesIO(), sound_kind(media, settings.audio_rate_hz)
    with av.open(sink, "w", format="mp4", options=MP4_OPTIONS) as target:
        picture = add_video(target, width, height, settings)
        sound = add_sound(target, kind, settings.audio_kbit_per_channel) if kind else None
        _encode_pictures(target, picture, _frames_of(media, packets.video, stored, num_frames))
        if kind is not None and sound is not None:
            encode_sound(target, sound, stored_sound(media, kind, packets.audio, stored))
    return EncodedSegment(
        media=sink.getvalue(),
        start_seconds=stored.start_seconds,
        duration_seconds=num_frames / settings.fps,
        video=VideoFacts(width=width, height=height, fps=float(settings.fps), codec="h264"),
        audio=AudioFacts(
            sample_rate_hz=kind.stored_rate_hz if kind else 0,
            channels=kind.stored_channels if kind else 0,
        ),
    )


def scaled_size(width: int, height: int, short_side: int) -> tuple[int, int]:
    """Even sizes with the given short side, never larger than the source."""
    factor = min(1.0, short_side / min(width, height))
    return max(2, round(width * factor / 2) * 2), max(2, round(height * factor / 2) * 2)


def add_video(
    target: OutputContainer, width: int, height: int, settings: TranscodeSettings
) -> VideoStream:
    # x264's macroblock tree uses approximate reciprocals: other bytes at another try.
    options = {"crf": str(settings.crf), "preset": settings.preset, "mbtree": "0"}
    if settings.tune:
        options["tune"] = settings.tune
    stream = target.add_stream("libx264", rate=settings.fps, options=options)
    stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
    stream.codec_context.gop_size = settings.gop_frames
    stream.codec_context.thread_count = 1
    stream.codec_context.time_base = Fraction(1, settings.fps)
    return stream


def _encode_pictures(
    target: OutputContainer, stream: VideoStream, frames: Iterator[VideoFrame]
) -> None:
    reformatter, upright, matrix = VideoReformatter(), Upright(), None
    for number, frame in enumerate(map(upright, frames)):
        if matrix is None:  # what the source says may change on the way, the segment has one
            matrix = matrix_of(frame)
            tag(stream.codec_context, frame)
        scaled = reformatter.reformat(
            frame,
            stream.width,
            stream.height,
            "yuv420p",
            src_colorspace=matrix_of(frame),
            dst_colorspace=matrix,
            dst_color_range=ColorRange.MPEG,
            threads=1,  # its default is one for each CPU, of which a worker has one
        )
        scaled.pts, scaled.time_base = number, stream.codec_context.time_base
        scaled.pict_type = 0  # the encoder chooses anew, whatever the source chose
        target.mux(stream.encode(scaled))
    target.mux(stream.encode(None))


def _frames_of(
    media: Media, packets: Sequence[Packet[Stream]], span: Span, num_frames: int
) -> Iterator[VideoFrame]:
    """For each slot of `span`, the frame on screen at its centre: the last that began by then."""
    assert media.video is not None
    times = slot_centres(span.start_seconds, span.duration_seconds, num_frames)
    wanted = [media.pts_at(seconds, media.video) for seconds in times.tolist()]
    shown, done = None, 0
    for frame in _decoded(media, packets, _on_screen(packets, wanted)):
        if frame.pts is None:
            continue
        while done < num_frames and shown is not None and wanted[done] < frame.pts:
            yield shown
            done += 1
        if done == num_frames:
            return
        shown = frame
    if shown is None:
        raise SampleError("no frame of the span decodes")
    for _ in range(done, num_frames):
        yield shown


def _on_screen(packets: Sequence[Packet[Stream]], wanted: Sequence[int]) -> frozenset[int]:
    """pts of the frames that are on screen at `wanted`; of all, where not every pts is known."""
    if any(packet.pts is None for packet in packets):
        return frozenset(pts_of(packet) for packet in packets)
    shown = sorted(pts_of(packet) for packet in packets if not packet.is_discard)
    if not shown:
        return frozenset()
    return frozenset(shown[max(bisect_right(shown, pts) - 1, 0)] for pts in wanted)


def _decoded(
    media: Media, packets: Sequence[Packet[Stream]], wanted: frozenset[int]
) -> Iterator[VideoFrame]:
    """Frames in the order they are shown, at least those of pts `wanted`."""
    assert media.video is not None
    context, first = media.video.codec_context, pts_of(packets[0])
    # FFmpeg's own decoders ask before each frame; foreign ones (dav1d) once, when opened.
    skips = not context.codec.name.startswith("lib")
    for packet in (*packets, None):
        if packet is not None and skips:
            # What no other frame leans on and no slot wants need not be decoded.
            context.skip_frame = "DEFAULT" if pts_of(packet) in wanted else "NONREF"
        for frame in context.decode(packet):
            # Frames shown before the keyframe but stored after it lean on an earlier GOP.
            if frame.is_corrupt and frame.pts is not None and frame.pts >= first:
                seconds = float(media.seconds(frame.pts, media.video))
                raise SampleError(f"its video is damaged at {seconds:.2f} s")
            yield frame
