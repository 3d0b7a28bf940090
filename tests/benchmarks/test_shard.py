"""The arithmetic of benchmarks/shard.py, and that its bare loop makes what a pack makes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.clips.sources import LARGE_SOURCES, SOURCES, SourceRecipe
from benchmarks.sharding import bare as bare_module
from benchmarks.sharding import memory
from benchmarks.sharding.command import joined
from benchmarks.sharding.copying import copied_figures, cpu_figures
from benchmarks.sharding.long_files import long_files
from benchmarks.sharding.transcoding import bare_figures, large_figures, packed, speedup_figures
from replai.core.timeline import Span
from replai.media.probe import probe
from sharder.encode import TranscodeProfile, encode_file
from tests.replai.media.synthetic import Recipe, encoded
from tools.environment import HOME


def test_ratios_are_taken_within_a_round_then_the_median() -> None:
    times = {"pack": [2.0, 3.0, 9.0], "bare": [2.0, 2.0, 3.0], "cp": [1.0, 1.0, 1.0]}
    found = bare_figures(times, video_seconds=30.0)
    assert found["transcode_over_bare"] == 1.5
    assert found["transcode_core_hours"] == pytest.approx(3.0 / 30 * 3670)
    assert cpu_figures(times, 30.0)["copy_cpu_over_cp"] == 3.0
    walls = {
        name: [{"wall_seconds": seconds} for seconds in times[name]] for name in ("pack", "cp")
    }
    assert copied_figures(walls) == {"copy_over_cp": 3.0}


def test_speedups_are_of_each_engine() -> None:
    times = {"local 1": [4.0, 6.0], "local 2": [2.0, 3.0], "ray 1": [3.0, 3.0], "ray 2": [2.0, 2.0]}
    assert speedup_figures(times) == {"local_speedup_2": 2.0, "ray_speedup_2": 1.5}


def test_a_run_of_some_parts_keeps_the_others_and_where_they_are_from() -> None:
    def result(**figures: float) -> dict[str, object]:
        name = "".join(figures)
        return {"figures": figures, "raw": {name: 0}, "command": name, "versions": {"commit": name}}

    both = joined(result(a=1, b=2), result(b=3))
    assert both["figures"] == {"a": 1, "b": 3}
    assert set(both["raw"]) == {"ab", "b"}
    assert both["earlier"] == {"a": ["ab", "ab"]}
    assert joined(both, result(c=4))["earlier"] == {"a": ["ab", "ab"], "b": ["b", "b"]}


def test_the_bare_loop_makes_the_same_pictures_and_sound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, profile, span = tmp_path / "a.mp4", TranscodeProfile(), Span(0.7, 2.2)
    path.write_bytes(encoded(Recipe(b_frames=2, audio_rate_hz=48000)))
    with path.open("rb") as file:
        ours = encode_file(profile, file, span)
    kept: list[bytes] = []
    monkeypatch.setattr(bare_module, "len", lambda data: kept.append(data) or 0, raising=False)
    bare_module._segment(str(path), span, profile)
    assert probe(kept[0]).video == ours.video and probe(kept[0]).audio == ours.audio
    assert len(kept[0]) == pytest.approx(len(ours.media), rel=0.05)


def test_sources_of_any_size_are_repeated_to_any_length(tmp_path: Path) -> None:
    recipe = SourceRecipe(seed=1, fps=8, audio_rate_hz=8000, height=72, seconds=4)
    (path,) = long_files(tmp_path, tmp_path / "long", 12, 1, [recipe])
    found = probe(path.read_bytes())
    assert (found.video.width, found.video.height) == (128, 72)
    assert found.duration_seconds == pytest.approx(12, abs=0.2)
    (seconds,) = packed([path], tmp_path, 1)
    assert seconds > 0


def test_memory_is_of_all_that_a_worker_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = SourceRecipe(seed=1, fps=8, audio_rate_hz=16000, height=72, seconds=4)
    (path,) = long_files(tmp_path, tmp_path / "long", 12, 1, [recipe])
    real, done = memory.peak_of, []

    def done_here(work: str, *arguments: Path) -> float:
        done.append((work, *(one.name for one in arguments)))
        if work == "verify":
            return real(work, *arguments)
        memory.WORK[work](*map(str, arguments))
        return float(len(done))

    monkeypatch.setattr(memory, "peak_of", done_here)
    monkeypatch.setattr(memory, "SEGMENTS", {"copy": 2, "transcode": 1})
    monkeypatch.setattr(memory, "SOURCES", 3)
    (tmp_path / "made").mkdir()
    found = memory.peaks(path, path, tmp_path / "made")
    assert [one[0] for one in done] == [*["detect", "copy", "transcode"] * 2, "whole", "verify"]
    assert [len(one) for one in done] == [2, 3, 3, 2, 5, 5, 3, 2]
    assert 40 < found["verify 1080p"] < 1000
    assert list((tmp_path / "made").iterdir()) == []
    assert memory.peak_figures({**found, "verify 1080p": 8.0, "copy": 3.5}) == {
        "detect_worker_peak_mb": 1.0,
        "pack_worker_peak_mb": 3.5,
        "detect_worker_peak_mb_1080p": 4.0,
        "pack_worker_peak_mb_1080p": 6.0,
        "verify_worker_peak_mb": 8.0,
    }


def test_a_peak_is_in_mb() -> None:
    code = (
        "from benchmarks.sharding.memory import peak_mb\n"
        "before = peak_mb()\n"
        "large = b'x' * 300_000_000\n"
        "del large\n"
        "print(peak_mb() - before)"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=HOME, capture_output=True, text=True, check=True)
    assert float(done.stdout) == pytest.approx(300, abs=4)


def test_the_large_source_is_of_1080p_at_four_times_the_bits() -> None:
    (large,) = LARGE_SOURCES
    assert (large.width, large.height, large.bits_per_second) == (1920, 1080, 8_000_000)
    assert {(one.width, one.height, one.bits_per_second) for one in SOURCES} == {
        (960, 540, 2_000_000)
    }
    assert large_figures([9.0, 7.0, 8.0], 28.0) == {
        "transcode_cpu_over_video_1080p": 8 / 28,
        "transcode_core_hours_1080p": pytest.approx(8 / 28 * 3670),
    }
