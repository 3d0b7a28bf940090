"""A beep and a flash at known times are still at those times when a training step gets them.

Source → a stored segment (both profiles) → the stream's own decode → views. A flash is three white
frames among black ones, long enough for every stored rate to show it; a beep lasts 1 ms.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from fractions import Fraction
from functools import cache

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from replai.core.record import Moment, SampleRecord
from replai.core.timeline import Span
from replai.stream.crops import CropConfig
from replai.stream.decode import DecodeConfig, Decoded, decode_sample
from replai.stream.plan import Place
from replai.stream.sampling import SamplingConfig
from replai.stream.unpack import Unpacked
from replai.views import AudioView, VideoView
from sharder.encode import CopyProfile, Profile, TranscodeProfile, encode_file
from sharder.encoded import EncodedSegment

NUM_FRAMES, SECONDS = 150, 5.0
EVENTS_SECONDS = (1.1, 2.2, 3.0, 3.8)
RATE_HZ = 48000
VIEWS = (
    VideoView(name="video", start_seconds=-0.5, duration_seconds=1.0, num_frames=30),
    AudioView(name="audio", start_seconds=-0.5, duration_seconds=1.0, sample_rate_hz=16000),
)
PROFILES: dict[str, Profile] = {
    "copy": CopyProfile(),
    "transcode 30 fps": TranscodeProfile(short_side=64, fps=30, audio_rate_hz=48000),
    "transcode 16 fps": TranscodeProfile(short_side=64, fps=16, audio_rate_hz=16000),
}


@dataclass(frozen=True)
class Source:
    """How the same beeps and flashes are stored."""

    container: str = "mp4"
    b_frames: int = 2
    gop: int = 30
    late_seconds: float = 0.0
    """By how much both streams start after the container's zero."""
    audio_late_seconds: float = 0.0
    """By how much the sound starts after the picture."""
    audio_codec: str = "aac"


SOURCES = {
    "plain": Source(),
    "long gop": Source(gop=150, b_frames=3),
    "starts late": Source(late_seconds=1.5),
    "sound starts late": Source(audio_late_seconds=0.4),
    "sound starts early": Source(late_seconds=0.5, audio_late_seconds=-0.4),
    "transport stream": Source(container="mpegts", late_seconds=2.0),
    "pcm": Source(container="mov", audio_codec="pcm_s16le", b_frames=0),
}


@cache
def source(name: str) -> bytes:
    """The file: black, but white for three frames from each event on, which also clicks."""
    kind, sink = SOURCES[name], io.BytesIO()
    with av.open(sink, "w", format=kind.container) as out:
        video = out.add_stream("libx264", rate=30, options={"bf": str(kind.b_frames)})
        video.width, video.height, video.gop_size = 64, 64, kind.gop
        audio = out.add_stream(kind.audio_codec, rate=RATE_HZ, layout="mono")
        packets = [*_pictures(video, kind), *_sound(audio, kind)]
        for packet in sorted(packets, key=lambda p: p.dts * p.time_base):
            out.mux(packet)
    return sink.getvalue()


def _pictures(stream: av.VideoStream, kind: Source) -> list[av.Packet]:
    packets: list[av.Packet] = []
    white = {round(seconds * 30) + i for seconds in EVENTS_SECONDS for i in range(3)}
    for index in range(NUM_FRAMES):
        pixels = np.full((64, 64, 3), 255 * (index in white), np.uint8)
        frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
        frame.pts, frame.time_base = index + round(kind.late_seconds * 30), Fraction(1, 30)
        packets += stream.encode(frame)
    return packets + stream.encode(None)


def _sound(stream: av.AudioStream, kind: Source) -> list[av.Packet]:
    samples = np.zeros(int(SECONDS * RATE_HZ), np.float32)
    for seconds in EVENTS_SECONDS:
        at = round((seconds - kind.audio_late_seconds) * RATE_HZ)
        samples[at : at + 48] = 0.8 * np.hanning(48) * np.cos(np.arange(48))
    start = round((kind.late_seconds + kind.audio_late_seconds) * RATE_HZ)
    resampler = av.AudioResampler(format=stream.format.name, layout="mono", rate=RATE_HZ)
    packets: list[av.Packet] = []
    for at in range(0, len(samples), 1024):
        frame = av.AudioFrame.from_ndarray(samples[None, at : at + 1024], "fltp", "mono")
        frame.sample_rate, frame.time_base = RATE_HZ, Fraction(1, RATE_HZ)
        frame.pts = start + at
        for converted in resampler.resample(frame):
            packets += stream.encode(converted)
    return packets + stream.encode(None)


def seen_and_heard(segment: EncodedSegment, seconds: float) -> Decoded:
    """The views around `seconds` of the source, by the stream's decode of the stored segment."""
    moment = Moment(seconds=seconds - segment.start_seconds, prominence=None)
    record = SampleRecord(
        video_id="v",
        start_seconds=segment.start_seconds,
        duration_seconds=segment.duration_seconds,
        video=segment.video,
        audio=segment.audio,
        moments=(moment,),
        actions=(),
    )
    sample = Unpacked(Place(0, 0, 0, 0, 0), 0, 0, "k", record, segment.media)
    crop = CropConfig(size_pixels=32, min_short_side=32, max_short_side=40)
    config = DecodeConfig(views=VIEWS, sampling=SamplingConfig(), crop=crop, augment=False, seed=0)
    return decode_sample(sample, config)


def click_seconds(samples: NDArray[np.float32]) -> float:
    """Middle of the loudest click, by its energy; 16 kHz."""
    loudest = int(np.abs(samples).argmax())
    low = max(loudest - 24, 0)
    energy = samples[low : loudest + 24].astype(float) ** 2
    return float((low + (energy * np.arange(len(energy))).sum() / energy.sum()) / 16000)


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("name", SOURCES)
def test_beeps_and_flashes_stay_where_they_are(name: str, profile: str) -> None:
    segment = encode_file(PROFILES[profile], io.BytesIO(source(name)), Span(0.43, 4.6))
    stored_frame_seconds = 1 / 16 if "16" in profile else 1 / 30
    for seconds in EVENTS_SECONDS:
        visit = seen_and_heard(segment, seconds)
        late = click_seconds(visit.views["audio"][0, 0]) - 0.5 - 24 / RATE_HZ
        assert abs(late) < 1e-3
        brightness = visit.views["video"][0].mean(axis=(0, 2, 3))
        lit = np.flatnonzero(brightness > 128)
        assert np.array_equal(lit, np.arange(lit[0], lit[-1] + 1))
        flash_late = lit[0] / 30 - 0.5
        assert abs(flash_late) <= (1e-6 if profile == "copy" else stored_frame_seconds + 1e-6)
