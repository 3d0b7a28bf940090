"""The bare floor: what libav itself needs for a moment, and nothing else.

One container opened on the bytes in memory, with or without FFmpeg's probe; one seek to the
keyframe before the first wanted frame and sound; all packets demuxed up to the last needed one.
Decoded, on one thread, are: of the video, from each keyframe that a wanted frame hangs on to the
last wanted frame behind it, frames that are neither wanted nor referred to skipped by the decoder
(skip_frame=NONREF); of the sound, the packets that overlap the 2 s, and the one before, which AAC's
overlap needs. Which packets these are is known beforehand. Frames are dropped as they come: nothing
is scaled, converted, resampled or copied.
"""

from __future__ import annotations

import io
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass

import av

from benchmarks.clips.cases import Case
from replai.media.container import UNPROBED, Media, open_media
from replai.media.packets import Packets, pts_of


@dataclass(frozen=True)
class Plan:
    """pts of packets to decode, by their part in it."""

    seek: int
    led: frozenset[int]
    """Video, on the way to a wanted frame."""
    wanted: frozenset[int]
    last_of_runs: frozenset[int]
    """Video, after which the decoder is drained."""
    sound: frozenset[int]


def floor(case: Case, probe: bool) -> Callable[[], int]:
    """A call that decodes the moment of `case`, barely; it returns the number of frames made."""
    plan, media = _planned(case), case.segment.media
    return lambda: _decode(media, plan, probe)


def _decode(data: bytes, plan: Plan, probe: bool) -> int:
    left, made = len(plan.led) + len(plan.sound), 0
    with av.open(
        io.BytesIO(data),
        "r",
        format=None if probe else "mov",
        options={} if probe else UNPROBED,
        buffer_size=1 << 18,
    ) as container:
        video, audio = container.streams.video[0], container.streams.audio[0]
        context, sound = video.codec_context, audio.codec_context
        context.thread_count = sound.thread_count = 1
        container.seek(plan.seek, stream=video)
        for packet in container.demux(video, audio):
            if packet.stream is audio:
                if packet.pts in plan.sound:
                    made, left = made + len(sound.decode(packet)), left - 1
            elif packet.pts in plan.led:
                context.skip_frame = "DEFAULT" if packet.pts in plan.wanted else "NONREF"
                made, left = made + len(context.decode(packet)), left - 1
                if packet.pts in plan.last_of_runs:
                    made += len(context.decode(None))
                    context.flush_buffers()
            if not left:
                break
    assert not left, "the floor decodes all that must be decoded"
    return made


def _planned(case: Case) -> Plan:
    with open_media(case.segment.media) as media:
        packets = Packets()
        for packet in media.container.demux():
            if packet.dts is not None:
                kept = packets.video if packet.stream is media.video else packets.audio
                kept.append(packet)
        wanted = _wanted(media, packets, case)
        led, lasts = _led(packets, wanted)
        assert media.audio is not None and media.video is not None
        starts = [pts_of(p) for p in packets.audio]
        first = bisect_right(starts, media.pts_at(case.sound.start_seconds, media.audio)) - 2
        stop = bisect_right(starts, media.pts_at(case.sound.stop_seconds, media.audio))
        sound = starts[max(first, 0) : stop]
        # Seeking moves both streams: to where the sound is whole, too.
        heard = media.pts_at(float(media.seconds(sound[0], media.audio)), media.video)
    return Plan(min(*led, heard), led, wanted, lasts, frozenset(sound))


def _wanted(media: Media, packets: Packets, case: Case) -> frozenset[int]:
    shown = sorted(pts_of(p) for p in packets.video)
    assert media.video is not None
    at = [media.pts_at(s, media.video) for c in case.clips for s in c.frame_seconds.tolist()]
    return frozenset(shown[bisect_right(shown, pts) - 1] for pts in at)


def _led(packets: Packets, wanted: frozenset[int]) -> tuple[frozenset[int], frozenset[int]]:
    """All video packets of runs from a keyframe to its last wanted frame, and the runs' ends."""
    led: set[int] = set()
    lasts: set[int] = set()
    group: list[int] = []
    for packet in packets.video:
        group = [] if packet.is_keyframe else group
        group.append(pts_of(packet))
        if group[-1] in wanted:
            lasts -= set(group)
            lasts.add(group[-1])
            led |= set(group)
    return frozenset(led), frozenset(lasts)
