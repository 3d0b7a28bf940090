"""CPU time of detection in files, beside bare decode of their sound."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import av

from replai.media.audio import audio_blocks
from sharder.bursts import BurstConfig, detect_bursts
from sharder.detect import detect_in_source
from sharder.moi import MoiConfig
from sharder.sources import Source
from sharder.world import WorldSettings
from sharder.world.movie import write_movie
from sharder.world.script import write_script
from sharder.world.sound import SAMPLE_RATE_HZ

Times = dict[str, list[float]]
VIDEOS, VIDEO_SECONDS = 2, 120.0


def make_videos(folder: Path) -> list[Path]:
    """World videos of minutes; those that are there already are kept."""
    settings = WorldSettings(
        num_train_videos=VIDEOS, num_test_videos=0, duration_seconds=VIDEO_SECONDS, width=192,
        height=108,
    )  # fmt: skip
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{index}.mp4" for index in range(VIDEOS)]
    for index, path in enumerate(paths):
        if not path.exists():
            write_movie(write_script(settings, index), path)
    return paths


def timed(paths: Sequence[Path], rounds: int) -> Times:
    """CPU seconds of each way over all files, a number a round."""
    times: Times = {}
    for number in range(rounds + 1):
        calls = _calls(paths)
        for name in list(calls)[:: 1 if number % 2 else -1]:
            seconds = _cpu_seconds(calls[name])
            if number:  # the first round warms up
                times.setdefault(name, []).append(seconds)
    return times


def figures(times: Times) -> dict[str, float]:
    """What `benchmarks/detect.py` explains."""

    def over_bare(name: str) -> float:
        pairs = zip(times[name], times["bare"], strict=True)
        return statistics.median(one / bare for one, bare in pairs)

    def realtime(name: str) -> float:
        return VIDEOS * VIDEO_SECONDS / statistics.median(times[name])

    names = {"detect": "detect", "paper": "paper", "audio_blocks": "blocks", "detector": "detector"}
    return {
        **{f"{short}_over_audio_decode": over_bare(name) for name, short in names.items()},
        "detect_realtime_per_core": realtime("detect"),
        "paper_realtime_per_core": realtime("paper"),
    }


def _calls(paths: Sequence[Path]) -> dict[str, Callable[[], None]]:
    sources = [Source(path.stem, str(path), named=True) for path in paths]

    def all_of(one: Callable[[Source], object]) -> Callable[[], None]:
        def call() -> None:
            for source in sources:
                one(source)

        return call

    memory = {source.url: list(audio_blocks(source.url, SAMPLE_RATE_HZ)) for source in sources}
    return {
        "bare": all_of(lambda source: bare_decode(source.url)),
        "detect": all_of(lambda source: detect_in_source(source, BurstConfig())),
        "paper": all_of(lambda source: detect_in_source(source, MoiConfig())),
        "audio_blocks": all_of(
            lambda source: sum(map(len, audio_blocks(source.url, SAMPLE_RATE_HZ)))
        ),
        "detector": all_of(
            lambda source: detect_bursts(memory[source.url], SAMPLE_RATE_HZ, BurstConfig())
        ),
    }


def bare_decode(path: str) -> int:
    """Decodes all sound and does nothing with it; the number of samples."""
    with av.open(path) as container:
        stream = container.streams.audio[0]
        return sum(frame.samples for packet in container.demux(stream) for frame in packet.decode())


def _cpu_seconds(call: Callable[[], None]) -> float:
    started = time.process_time()
    call()
    return time.process_time() - started
