"""The videos of the benchmarks: the made-up world at 960x540, one at 1920x1080, as a camera would
store them.

The world's textures and motion, a sensor's grain on top, and an encoder's usual B-frames: without
the grain a still corner of the world costs the decoder next to nothing, and every overhead beside
it would look large.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.container import OutputContainer
from av.packet import Packet
from av.stream import Stream
from numpy.typing import NDArray

from sharder.world import WorldSettings
from sharder.world.movie import whole_file
from sharder.world.render import render
from sharder.world.script import write_script
from sharder.world.sound import SAMPLE_RATE_HZ, synthesise

GOP_FRAMES, SECONDS = 60, 14
GRAIN_LEVELS = 3.0
"""Standard deviation of the grain."""
BITS_PER_SECOND_540P = 2_000_000
"""As the 540p copies of archives have it, and cameras at 1080p four times as many; the world alone
would take a third."""


@dataclass(frozen=True, kw_only=True)
class SourceRecipe:
    """One video: a world of its own, a frame rate, a sample rate."""

    seed: int
    fps: int
    audio_rate_hz: int
    height: int = 540
    seconds: int = SECONDS

    @property
    def width(self) -> int:
        """Of 16 to 9."""
        return self.height * 16 // 9

    @property
    def bits_per_second(self) -> int:
        """In proportion to the pixels."""
        return BITS_PER_SECOND_540P * self.height**2 // 540**2

    @property
    def name(self) -> str:
        """A file name that says what it is."""
        size = f"_{self.height}p" if self.height != 540 else ""
        return f"seed{self.seed}_{self.fps}fps_{self.audio_rate_hz}Hz{size}"


SOURCES = (
    SourceRecipe(seed=1, fps=30, audio_rate_hz=48000),
    SourceRecipe(seed=2, fps=24, audio_rate_hz=44100),
    SourceRecipe(seed=3, fps=30, audio_rate_hz=44100),
)

LARGE_SOURCES = (SourceRecipe(seed=1, fps=30, audio_rate_hz=48000, height=1080, seconds=4),)


def source_file(recipe: SourceRecipe, folder: Path) -> Path:
    """The video of `recipe` in `folder`; made there if it is not, about half a minute of CPU."""
    path = folder / f"{recipe.name}.mp4"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        with whole_file(path) as temporary:
            _write(temporary, recipe)
    return path


def _write(path: Path, recipe: SourceRecipe) -> None:
    settings = WorldSettings(
        num_train_videos=1, num_test_videos=0, duration_seconds=recipe.seconds,
        width=recipe.width, height=recipe.height, fps=recipe.fps, seed=recipe.seed,
    )  # fmt: skip
    script = write_script(settings, 0)
    with av.open(str(path), "w", format="mp4") as target:
        encoders = [
            _pictures(target, _grainy(render(script), recipe), recipe),
            _sound(target, synthesise(script), recipe.audio_rate_hz),
        ]
        packets = [packet for encode in encoders for packet in encode]
        for packet in sorted(packets, key=lambda p: (p.dts or 0) * (p.time_base or 0)):
            target.mux(packet)


def _grainy(
    frames: Iterator[NDArray[np.uint8]], recipe: SourceRecipe
) -> Iterator[NDArray[np.uint8]]:
    """The frames, each with another piece of one large field of noise."""
    rng, width, height = np.random.default_rng(recipe.seed), recipe.width, recipe.height
    field = np.round(rng.normal(0, GRAIN_LEVELS, (2 * height, 2 * width, 1))).astype(np.int16)
    for frame in frames:
        top, left = rng.integers(height), rng.integers(width)
        grain = field[top : top + height, left : left + width]
        yield np.clip(frame + grain, 0, 255).astype(np.uint8)


def _pictures(
    target: OutputContainer, frames: Iterator[NDArray[np.uint8]], recipe: SourceRecipe
) -> Iterator[Packet[Stream]]:
    options = {"preset": "fast", "mbtree": "0"}
    stream = target.add_stream("libx264", rate=recipe.fps, options=options)
    stream.width, stream.height, stream.pix_fmt = recipe.width, recipe.height, "yuv420p"
    stream.bit_rate = recipe.bits_per_second
    stream.codec_context.gop_size = GOP_FRAMES
    stream.codec_context.time_base = Fraction(1, recipe.fps)
    for index, pixels in enumerate(frames):
        frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
        frame.pts = index
        yield from stream.encode(frame)
    yield from stream.encode(None)


def _sound(
    target: OutputContainer, samples: NDArray[np.float32], rate_hz: int
) -> Iterator[Packet[Stream]]:
    stream = target.add_stream("aac", rate=rate_hz, options={"aac_coder": "fast"}, layout="stereo")
    stream.bit_rate = 128_000
    frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples), "fltp", "stereo")
    frame.sample_rate, frame.pts = SAMPLE_RATE_HZ, 0
    resampler = av.AudioResampler("fltp", "stereo", rate_hz, frame_size=1024)
    for part in [*resampler.resample(frame), *resampler.resample(None)]:
        yield from stream.encode(part)
    yield from stream.encode(None)
