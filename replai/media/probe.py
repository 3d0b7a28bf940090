"""What a media file holds, by its headers: duration, picture and sound."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

from av.error import FFmpegError
from av.stream import Discard, Stream

from replai.core.errors import SampleError
from replai.core.record import AudioFacts, VideoFacts
from replai.media.container import Media, MediaFile, open_media, start_pts, time_base
from replai.media.rotation import shown_size

_FAR_SECONDS = 1_000_000.0
_TAIL_SECONDS = 1.0


@dataclass(frozen=True)
class MediaFacts:
    """The facts of one file; `video` or `audio` is None where there is no such stream.

    `duration_seconds`: from the file's zero (the first video frame) to the end of the last video
    frame; of the audio, in a file without video. `audio_start_seconds`: where the audio starts on
    that clock, negative if before the video, None without audio. `container`: FFmpeg's name of
    the format. `missing_seconds`: how much sooner than it states itself a Matroska or WebM file is
    at its end, with all its streams; 0 for what is whole, or says nothing of it. `reorders`:
    whether the video's frames may be stored in another order than they are shown in (B-frames).

    `video.width` and `video.height` are those of the frames as displayed and as `read_views` crops
    them: a phone's video is turned upright. The shape of its pixels is not applied.
    """

    duration_seconds: float
    video: VideoFacts | None
    audio: AudioFacts | None
    audio_start_seconds: float | None
    container: str
    missing_seconds: float = 0.0
    reorders: bool = False


def probe(file: MediaFile) -> MediaFacts:
    """The facts of `file`: a path, the bytes of a file, or a seekable binary file object.

    Reads headers; where these do not give the duration (Matroska, MPEG-TS, fragmented MP4), also
    the packets behind the last keyframe, or the whole file if it has no index. Decodes one frame,
    which tells the rotation. Cover pictures are not video. Raises SampleError if the file is
    damaged, is not media, or has neither video nor audio; OSError if it cannot be read.
    """
    with open_media(file) as media:
        stream = media.video or media.audio
        if stream is None:
            raise SampleError("has neither a video nor an audio stream")
        video = _video_facts(media)  # before the search for the end moves the file on
        duration_seconds = _duration_seconds(media, stream)
        return MediaFacts(
            duration_seconds=duration_seconds,
            video=video,
            audio=_audio_facts(media),
            audio_start_seconds=_audio_start_seconds(media),
            container=media.container.format.name,
            missing_seconds=_missing_seconds(media, stream, duration_seconds),
            reorders=media.video is not None and media.video.codec_context.has_b_frames,
        )


def _video_facts(media: Media) -> VideoFacts | None:
    if media.video is None:
        return None
    context = media.video.codec_context
    width, height = shown_size(context, media.demux(media.video))
    fps = media.video.average_rate or media.video.guessed_rate or 0
    return VideoFacts(
        width=width,
        height=height,
        fps=float(fps),
        codec=context.codec.canonical_name,
    )


def _audio_facts(media: Media) -> AudioFacts | None:
    if media.audio is None:
        return None
    return AudioFacts(sample_rate_hz=media.audio.sample_rate, channels=media.audio.channels)


def _audio_start_seconds(media: Media) -> float | None:
    if media.audio is None:
        return None
    return float(media.seconds(start_pts(media.audio), media.audio))


def _duration_seconds(media: Media, stream: Stream) -> float:
    # A count of frames in the header means a complete index (MP4, AVI), so its duration is real
    # and not an estimate from the bit rate (MP3, ADTS) or the first fragment's (fragmented MP4).
    if stream.frames > 0 and stream.duration and stream.duration > 0:
        return float(media.seconds(start_pts(stream) + stream.duration, stream))
    media.only(stream)
    end_pts = _last_pts_after_seek(media, stream)
    if end_pts is None:
        raise SampleError("holds no packet of its main stream")
    return float(media.seconds(end_pts, stream))


def _missing_seconds(media: Media, stream: Stream, end_seconds: float) -> float:
    """`end_seconds`: of `stream`, the main one; others, subtitles among them, may go on.

    Of a file that states no length, as of what is recorded live, FFmpeg tells none: it guesses by
    the bit rate, but not that of video in Matroska.
    """
    container = media.container
    if "matroska" not in container.format.name or not container.duration:
        return 0.0
    stated = container.duration / 1_000_000 - float(media.origin)
    if stated - end_seconds <= _TAIL_SECONDS:
        return 0.0
    for other in media.container.streams:
        other.discard = Discard.default
    with suppress(FFmpegError):
        media.container.seek(media.pts_at(end_seconds - _TAIL_SECONDS, stream), stream=stream)
    for packet in media.demux():
        if packet.pts is not None:
            end = float(media.seconds(packet.pts + (packet.duration or 0), packet.stream))
            end_seconds = max(end_seconds, end)
    missing = stated - end_seconds
    return missing if missing > _TAIL_SECONDS else 0.0


def _last_pts_after_seek(media: Media, stream: Stream) -> int | None:
    """End of the last packet: from the last keyframe on, or from the start if that finds none."""
    known = media.container.duration
    # Some formats seek by packet, not by keyframe: step back over any reordering at the end.
    target = known / 1_000_000 - _TAIL_SECONDS if known and known > 0 else _FAR_SECONDS
    for seconds in (target, -_FAR_SECONDS):
        try:
            media.container.seek(media.pts_at(seconds, stream), stream=stream)
        except FFmpegError:
            continue  # not seekable: the next packets come from where the file stands
        end_pts = _last_pts(media, stream)
        if end_pts is not None:
            return end_pts
    return _last_pts(media, stream)


def _last_pts(media: Media, stream: Stream) -> int | None:
    end_pts: int | None = None
    rate = stream.average_rate if stream.type == "video" else None
    one_frame = round(1 / (rate * time_base(stream))) if rate else 0
    for packet in media.demux(stream):
        if packet.pts is not None:
            end = packet.pts + (packet.duration or one_frame)
            end_pts = end if end_pts is None else max(end, end_pts)
    return end_pts
