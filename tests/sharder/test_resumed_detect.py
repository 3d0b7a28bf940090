"""A `sharder detect` that was stopped goes on where it was, to the same bytes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from replai.core import storage
from sharder import detect as detection
from sharder.bursts import BurstConfig
from sharder.detect import detect
from sharder.detected import Detected, keeping, key_of, parts_folder, read_parts
from sharder.detectors import Config
from sharder.engine import LocalEngine
from sharder.lock import only_one
from sharder.sources import Source, find_sources
from tests.sharder.command import files_below
from tests.sharder.conftest import Run
from tests.sharder.test_interrupted import wait_until

CONFIG = BurstConfig()
NAMES = [f"{number}é .b" for number in range(8)]
STUCK = """
import sys, time
from sharder import cli, detect
real, video_id = detect.detect_in_source, sys.argv.pop(1)
def stuck(source, config):
    return time.sleep(600) if source.video_id == video_id else real(source, config)
detect.detect_in_source = stuck
cli.main()
"""
"""The command, that never ends with one source."""


@pytest.fixture
def folder(videos: Path, tmp_path: Path) -> Path:
    """Eight videos below `in`, one of them without a sound, one damaged."""
    (tmp_path / "in").mkdir()
    for name in NAMES:
        (tmp_path / "in" / f"{name}.mp4").hardlink_to(videos / "c.mp4")
    (tmp_path / "in" / "5 is none.mp4").write_text("no video at all")
    return tmp_path


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Ids of the sources that are listened to in this process, as that happens."""
    ids: list[str] = []
    real = detection.detect_in_source

    def noted(source: Source, config: Config) -> Detected:
        ids.append(source.video_id)
        return real(source, config)

    monkeypatch.setattr(detection, "detect_in_source", noted)
    return ids


def sources_of(folder: Path) -> list[Source]:
    return find_sources([str(folder / "in")], with_audio_files=True)


def uninterrupted(folder: Path) -> bytes:
    detect(sources_of(folder), str(folder / "whole.parquet"), CONFIG, LocalEngine(1), False)
    return (folder / "whole.parquet").read_bytes()


def stopped_at(
    number: int, folder: Path, output: str, monkeypatch: pytest.MonkeyPatch, config: Config = CONFIG
) -> None:
    """A detect that Ctrl-C ends while it is at the source of that number."""
    sources = sources_of(folder)
    real = detection.detect_in_source

    def interrupted(source: Source, config: Config) -> Detected:
        if source == sources[number]:
            raise KeyboardInterrupt
        return real(source, config)

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(detection, "detect_in_source", interrupted)
        detect(sources, output, config, LocalEngine(1), False)


def test_a_killed_detect_goes_on_to_the_same_bytes(
    run: Run, folder: Path, heard: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = uninterrupted(folder)
    command = ("detect", "in", "-o", "out/m.parquet", "--workers", "1")
    killed = subprocess.Popen(
        [sys.executable, "-c", STUCK, NAMES[6], *command],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        stderr=subprocess.PIPE,
        text=True,
    )
    monkeypatch.chdir(folder)
    sources = {key_of(s, storage.file_size(s.url), CONFIG): s for s in sources_of(folder)}
    wait_until(killed, lambda: len(read_parts("out/m.parquet.parts", sources)) == 7)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    assert not Path("out/m.parquet").exists()
    heard.clear()
    again = run(*command)
    assert (again.code, heard) == (0, NAMES[6:]), again.text
    assert "7 of 9 sources are already heard" in again.lines
    assert "skipped 1 sources:" in again.lines
    assert files_below(folder / "out") == {"m.parquet": expected}


@pytest.mark.parametrize(("number", "workers"), [(0, 1), (4, 2), (8, 1)])
def test_an_interrupted_detect_goes_on_wherever_it_was(
    folder: Path, number: int, workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = str(folder / "out" / "m.parquet")
    stopped_at(number, folder, output, monkeypatch)
    detect(sources_of(folder), output, CONFIG, LocalEngine(workers), False)
    assert files_below(folder / "out") == {"m.parquet": uninterrupted(folder)}


def test_what_was_killed_just_before_its_output_or_just_after_ends_as_any(
    run: Run, folder: Path, heard: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    output = folder / "out" / "m.parquet"

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    for name in ("write_moments", "remove_parts"):
        with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
            patched.setattr(detection, name, killed)
            detect(sources_of(folder), str(output), CONFIG, LocalEngine(1), False)
        assert output.exists() == (name == "remove_parts")
    assert len(heard) == 9
    again = run("detect", folder / "in", "-o", output, "--workers", "2")
    assert "nothing to do" in again.text
    assert files_below(folder / "out") == {"m.parquet": uninterrupted(folder)}


def test_what_another_command_has_left_is_not_taken(
    folder: Path, heard: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    output = str(folder / "out" / "m.parquet")
    other = BurstConfig(min_prominence=0.5)
    stopped_at(3, folder, output, monkeypatch, other)
    name = folder / "in" / f"{NAMES[1]}.mp4"
    stopped_at(3, folder, output, monkeypatch)
    data = name.read_bytes()
    name.unlink()
    name.write_bytes(data + bytes(8))  # another file by now
    heard.clear()
    detect(sources_of(folder), output, CONFIG, LocalEngine(1), False)
    assert [NAMES[number] in heard for number in range(4)] == [False, True, False, True]
    assert files_below(folder / "out") == {"m.parquet": uninterrupted(folder)}


def test_a_torn_part_counts_as_none(
    folder: Path, heard: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    output = str(folder / "out" / "m.parquet")
    stopped_at(3, folder, output, monkeypatch)
    whole = list((folder / "out" / "m.parquet.parts").glob("*.json"))
    for part, data in zip(whole, (b"", b"[1]", b'{"a"'), strict=False):
        part.write_bytes(data)
    for name in ("x.json", ".y.json.123.tmp"):
        (folder / "out" / "m.parquet.parts" / name).write_bytes(b"\xff")
    heard.clear()
    detect(sources_of(folder), output, CONFIG, LocalEngine(1), False)
    assert set(NAMES[3:]) <= set(heard)
    assert files_below(folder / "out") == {"m.parquet": uninterrupted(folder)}


def test_of_two_at_once_one_says_so(run: Run, folder: Path) -> None:
    output = folder / "out" / "m.parquet"
    command = ("detect", folder / "in", "-o", output, "--workers", "1")
    with only_one(str(output), f"{output}.parts/lock", "detect"):
        refused = run(*command)
    assert (refused.code, len(refused.lines)) == (2, 1)
    assert f"another detect is at work on {output} (process {os.getpid()} on " in refused.text
    assert not (folder / "out").exists()
    assert run(*command).code == 0


def test_an_output_that_is_a_url_is_resumed_too(
    folder: Path, heard: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    output = "memory://resumed/m.parquet"
    stopped_at(4, folder, output, monkeypatch)
    heard.clear()
    detect(sources_of(folder), output, CONFIG, LocalEngine(1), False)
    assert heard == [source.video_id for source in sources_of(folder)[4:]]
    assert storage.list_files("memory://resumed") == [output.replace("://", ":///")]
    assert storage.read_bytes(output) == uninterrupted(folder)


def test_a_store_that_takes_no_parts_ends_the_run(tmp_path: Path) -> None:
    def full(url: str, data: bytes) -> None:
        raise OSError("disk full")

    found = Detected(Source("a", "a.mp4", named=False), 1.0, ())
    with pytest.MonkeyPatch.context() as patched, pytest.raises(OSError, match="disk full"):
        patched.setattr(storage, "write_bytes", full)
        with keeping(parts_folder(str(tmp_path / "m"))) as keep:
            keep("a", found)
