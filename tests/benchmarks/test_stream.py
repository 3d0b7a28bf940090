"""The arithmetic of the contest; what it measures is never asserted."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import webdataset

from benchmarks.contest import webdataset_peer
from benchmarks.contest.command import jobs
from benchmarks.contest.data import COPIES, Data, under_other_names
from benchmarks.contest.figures import (
    FIRST,
    LATER,
    figures,
    memory_growth_megabytes,
    per_cpu_second,
    per_wall_second,
    ratio,
)
from benchmarks.contest.job import Epoch, Job, Outcome
from benchmarks.contest.measure import descendants_pss_megabytes, tree, tree_cpu_seconds

RESUMES = ("ours", "ours_long", "webdataset", "webdataset_undecoded", "mds", "litdata")


def outcome(speed: float = 1.0, first_batch: float = 4.0) -> Outcome:
    """Three epochs of 100 moments, the first at half speed; half as many CPU seconds as wall."""
    epochs = [
        Epoch(
            moments=100,
            wall_seconds=slowdown * 10 / speed,
            cpu_seconds=slowdown * 5 / speed,
            worker_megabytes={"7": 100.0 + grown, "8": 90.0 + 2 * grown},
        )
        for slowdown, grown in ((2.0, 0.0), (1.0, 5.0), (1.0, 3.0))
    ]
    return Outcome(
        import_seconds=3.0,
        first_batch_seconds=first_batch,
        first_batch_cpu_seconds=1.0,
        epochs=epochs,
        state={},
    )


def test_rates_add_up_epochs_before_they_divide() -> None:
    epochs = outcome().epochs
    assert per_wall_second(epochs[FIRST]) == 5.0
    assert per_wall_second(epochs[LATER]) == 10.0
    assert per_wall_second(epochs) == 300 / 40
    assert per_cpu_second(epochs) == 300 / 20


def test_a_ratio_is_taken_within_each_round_then_the_median() -> None:
    rounds = [{"a": outcome(x), "b": outcome(y)} for x, y in ((2, 1), (30, 10), (9, 1))]
    assert ratio(rounds, "a", "b", LATER, per_wall_second) == pytest.approx(3.0)


def test_memory_growth_is_of_the_process_that_grew_most_and_lived_on() -> None:
    epochs = outcome().epochs
    assert memory_growth_megabytes(epochs) == 6.0
    other = replace(epochs[-1], worker_megabytes={"8": 91.0, "9": 500.0})
    assert memory_growth_megabytes([*epochs[:-1], other]) == 1.0


def test_the_figures_that_were_asked_for_are_all_there() -> None:
    names = [job.name for job in jobs(Data(local=_urls(), s3=_urls()), Path("cache"))]
    played = {name: outcome() for name in names}
    played |= {f"{name}_resume": outcome(first_batch=8.0) for name in RESUMES}
    played["ours_resume"] = outcome(first_batch=4.0)
    played["ours_long_resume"] = outcome(first_batch=2.0)
    played["ours_s3"] = outcome(speed=0.5)
    found = figures([played], half_epoch_moments=200)
    peers = ("webdataset", "mds", "litdata")
    asked = {f"{peer}_ratio{suffix}" for peer in peers for suffix in ("", "_epoch2")}
    asked |= {f"{key}_{peer}" for peer in peers for key in ("resume_ratio", "first_batch_seconds")}
    asked |= {"local_over_decode", "cached_over_decode", "s3_over_decode", "first_batch_seconds"}
    assert asked | {"worker_memory_growth_mb"} <= found.keys()
    assert found["s3_over_decode"] == found["webdataset_ratio"] == 0.5
    assert found["local_over_decode"] == found["mds_ratio_epoch2"] == 1.0
    assert found["resume_ratio_mds"] == 2.0
    assert found["resume_ratio_webdataset"] == 4.0
    assert found["resume_ratio_mds_imported"] == 5.0
    assert found["skip_seconds_per_1000_webdataset"] == 20.0


def _urls() -> dict[str, str]:
    return {name: f"/{name}" for name in ("ours", "mds", "litdata")}


def test_jobs_and_outcomes_travel_as_json(tmp_path: Path) -> None:
    job = Job(contestant="ours", name="ours_s3", data="s3://b/d", state={"epoch": 1})
    assert Job.from_json(job.to_json()) == job
    path = tmp_path / "outcome.json"
    path.write_text(json.dumps(asdict(outcome())))
    assert Outcome.from_file(path) == outcome()


def test_cpu_and_memory_of_children_are_counted() -> None:
    """A child that works and then waits, and its own child."""
    work = "import time\nwhile time.process_time() < 0.3: pass\n"
    child = f"import subprocess, sys\n{work}subprocess.run([sys.executable, '-c', {work!r}])\n"
    before = tree_cpu_seconds(os.getpid())
    process = subprocess.Popen(
        [sys.executable, "-c", f"{child}print(flush=True)\ninput()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    process.stdout.readline()
    try:
        assert process.pid in tree(os.getpid())
        assert tree_cpu_seconds(os.getpid()) - before >= 0.55
        assert descendants_pss_megabytes(os.getpid())[process.pid] > 1
    finally:
        process.communicate(b"\n")
    deadline = time.monotonic() + 10
    while process.pid in tree(os.getpid()) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert tree_cpu_seconds(os.getpid()) - before >= 0.55


# webdataset leaves the files it has read to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")
def test_webdataset_gives_all_that_it_decodes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = tmp_path / "decoded.log"

    class Counting:
        def __call__(self, key: str, _mp4: bytes, _json: bytes) -> str:
            with log.open("a") as file:
                print(key, file=file)
            return key

    for shard in range(3):
        with webdataset.TarWriter(str(tmp_path / f"{shard}.tar")) as tar:
            for number in range(5):
                tar.write({"__key__": f"{shard}-{number}", "mp4": b"x", "json": b"{}"})
    monkeypatch.setattr(webdataset_peer, "Decoder", Counting)
    monkeypatch.setattr(webdataset_peer, "collate_visits", list)
    monkeypatch.setattr(webdataset_peer, "_has_moment", lambda _: True)
    job = Job(contestant="webdataset_peer", name="local", data=str(tmp_path), batch_size=4)
    contestant = webdataset_peer.open_contestant(job)
    for epoch in (1, 2):
        assert sum(contestant.epoch()) == 15
        assert len(log.read_text().splitlines()) == 15 * epoch


def test_videos_come_under_other_names_once(tmp_path: Path) -> None:
    (tmp_path / "world").mkdir()
    (tmp_path / "world" / "a.mp4").write_bytes(b"pictures")
    for _ in range(2):
        under_other_names(tmp_path / "world", tmp_path / "videos")
    found = {path.name: path.read_bytes() for path in (tmp_path / "videos").iterdir()}
    assert found == {f"a_{copy}.mp4": b"pictures" for copy in range(COPIES)}
