"""Media whose content says what time it is: numbered frames and chirps at known times."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory

import av
import numpy as np
from numpy.typing import NDArray

NUM_BITS = 8
CHIRP_RATE_HZ = 16000
TONE_LEVEL = 0.5
LAYOUTS = {1: "mono", 2: "stereo", 3: "3.0", 4: "quad", 5: "5.0", 6: "5.1", 8: "7.1"}


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """What to encode. Frame i shows the bits of i as stripes, top to bottom, black or white."""

    container: str = "mp4"
    options: tuple[tuple[str, str], ...] = ()
    codec: str = "libx264"
    width: int = 64
    height: int = 64
    fps: int = 30
    num_frames: int = 90
    gop: int = 12
    b_frames: int = 0
    video_start_seconds: float = 0.0
    dropped_frames: frozenset[int] = frozenset()
    noise: int = 0
    pix_fmt: str = "yuv420p"
    codec_options: tuple[tuple[str, str], ...] = ()
    audio_codec: str | None = "aac"
    audio_rate_hz: int = 44100
    audio_channels: int = 2
    audio_start_seconds: float = 0.0
    audio_seconds: float = 3.0
    chirp_seconds: tuple[float, ...] = (1.0, 2.0)
    channel_tones_hz: tuple[int, ...] = ()
    """A steady tone in each channel, of its own pitch, in place of the same chirps in all."""


def numbered(index: int, width: int, height: int) -> NDArray[np.uint8]:
    """uint8 [height, width, 3]: the bits of `index` as black and white stripes."""
    bits = (index >> np.arange(NUM_BITS)) & 1
    rows = np.arange(height) * NUM_BITS // height
    return np.ascontiguousarray(
        np.broadcast_to((bits[rows] * 255)[:, None, None], (height, width, 3)).astype(np.uint8)
    )


def number(frame: NDArray[np.uint8]) -> int:
    """The index that `numbered` drew."""
    centres = ((np.arange(NUM_BITS) + 0.5) * frame.shape[0] / NUM_BITS).astype(int)
    return int(((frame[centres].mean(axis=(1, 2)) > 128) << np.arange(NUM_BITS)).sum())


def frames_of(clip: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """[3, T, H, W] as pictures, [T, H, W, 3]."""
    return np.moveaxis(clip, 0, -1)


def chirp(rate_hz: int) -> NDArray[np.float32]:
    """50 ms from 200 to 3000 Hz: its autocorrelation is a needle."""
    t = np.arange(int(0.05 * rate_hz)) / rate_hz
    phase = 2 * np.pi * (200 * t + 0.5 * (2800 / 0.05) * t**2)
    return (0.5 * np.sin(phase) * np.hanning(len(t))).astype(np.float32)


def chirp_lag_seconds(samples: NDArray[np.float32], seconds: float) -> float:
    """How much later than `seconds` the chirp in `samples` (float32 [n], 16 kHz) starts."""
    fine = 8
    near = int((seconds - 0.03) * CHIRP_RATE_HZ)
    window = samples[near : near + int(0.11 * CHIRP_RATE_HZ)]
    spectrum = np.fft.rfft(window, 4096) * np.conj(np.fft.rfft(chirp(CHIRP_RATE_HZ), 4096))
    correlation = np.fft.irfft(spectrum, 4096 * fine)[: 2048 * fine]
    return float(near + correlation.argmax() / fine) / CHIRP_RATE_HZ - seconds


def sound(recipe: Recipe) -> NDArray[np.float32]:
    """float32 [n]: chirps at their times on the common clock, from the start of the audio."""
    samples = np.zeros(int(recipe.audio_seconds * recipe.audio_rate_hz), np.float32)
    wave = chirp(recipe.audio_rate_hz)
    for seconds in recipe.chirp_seconds:
        at = round((seconds - recipe.audio_start_seconds) * recipe.audio_rate_hz)
        samples[at : at + len(wave)] += wave[: max(len(samples) - at, 0)]
    return samples


def channels(recipe: Recipe) -> NDArray[np.float32]:
    """float32 [n, channels]: what the file is to sound like."""
    if not recipe.channel_tones_hz:
        return sound(recipe)[:, None].repeat(recipe.audio_channels, 1)
    t = np.arange(int(recipe.audio_seconds * recipe.audio_rate_hz)) / recipe.audio_rate_hz
    tones = [np.sin(2 * np.pi * hz * t) for hz in recipe.channel_tones_hz]
    return (TONE_LEVEL * np.stack(tones, axis=1)).astype(np.float32)


def tone_levels(second: NDArray[np.float32], tones_hz: Sequence[int]) -> NDArray[np.float64]:
    """Amplitude of each tone in one second of sound, float32 [n]; whole Hz do not leak."""
    spectrum = np.fft.rfft(second) * 2 / len(second)
    return np.abs(spectrum[list(tones_hz)])


def encoded(recipe: Recipe) -> bytes:
    """The bytes of a file; its video is absent if it has no frames."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "encoded"
        with _scheduling_as_before():
            _write(path, recipe)
        return path.read_bytes()


@contextmanager
def _scheduling_as_before() -> Iterator[None]:
    """As root, SVT-AV1 makes the whole process a real-time one, which starves the machine."""
    policy, parameters = os.sched_getscheduler(0), os.sched_getparam(0)
    try:
        yield
    finally:
        os.sched_setscheduler(0, policy, parameters)


def _write(path: Path, recipe: Recipe) -> None:
    with av.open(path, "w", format=recipe.container, options=dict(recipe.options)) as out:
        packets = []
        for encode in (_encode_video, _encode_audio):
            packets += encode(out, recipe)
        packets.sort(key=lambda p: p.dts * p.time_base)
        for packet in packets:
            out.mux(packet)


def _encode_video(out, recipe: Recipe) -> Sequence[av.Packet]:
    if not recipe.num_frames:
        return []
    options = {"bf": str(recipe.b_frames), "b-pyramid": "normal", "sc_threshold": "0"}
    stream = out.add_stream(recipe.codec, rate=recipe.fps)
    if recipe.codec == "libx264":
        stream.options = {**options, "preset": "veryfast", "threads": "1"}
    stream.options = {**stream.options, **dict(recipe.codec_options)}
    stream.gop_size, stream.width, stream.height = recipe.gop, recipe.width, recipe.height
    stream.pix_fmt = recipe.pix_fmt
    stream.codec_context.time_base = Fraction(1, recipe.fps)
    packets, rng = [], np.random.default_rng(0)
    for index in range(recipe.num_frames):
        if index in recipe.dropped_frames:
            continue
        pixels = numbered(index, recipe.width, recipe.height)
        grain = rng.integers(0, recipe.noise + 1, pixels.shape, dtype=np.uint8)
        pixels = np.where(pixels > 0, pixels - grain, grain)
        frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
        frame.time_base = Fraction(1, recipe.fps)
        frame.pts = index + round(recipe.video_start_seconds * recipe.fps)
        packets += stream.encode(frame)
    return packets + stream.encode(None)


def _encode_audio(out, recipe: Recipe) -> Sequence[av.Packet]:
    if recipe.audio_codec is None:
        return []
    rate = recipe.audio_rate_hz
    layout = LAYOUTS[recipe.audio_channels]
    stream = out.add_stream(recipe.audio_codec, rate=rate)
    stream.layout = layout
    start = round((recipe.video_start_seconds + recipe.audio_start_seconds) * rate)
    resampler = av.AudioResampler(format=stream.format.name, layout=layout, rate=rate)
    packets, samples = [], channels(recipe)
    for at in range(0, len(samples), 1024):
        part = samples[at : at + 1024].reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(part, format="flt", layout=layout)
        frame.sample_rate, frame.time_base, frame.pts = rate, Fraction(1, rate), start + at
        for converted in resampler.resample(frame):
            packets += stream.encode(converted)
    return packets + stream.encode(None)
