"""Ray, a real one on this machine: the same bytes, also where a worker is killed in the middle."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from replai.core import storage
from replai.core.annotations import Annotations
from replai.core.errors import SampleError, UserError
from replai.core.timeline import Span
from replai.media.container import Media
from sharder import cli
from sharder.encode import TranscodeProfile
from sharder.encoded import EncodedSegment, Size
from sharder.engine import Engine, LocalEngine, open_ray
from sharder.pack import pack
from sharder.plan import PackConfig
from sharder.segments import SegmentConfig
from sharder.sources import find_sources
from sharder.timestamps import read_moments
from tests.sharder.command import files_below, processes_of_session
from tests.sharder.conftest import Run

pytest.importorskip("ray", reason="needs Ray: pip install -e '.[ray]'")
from sharder.ray_engine import RayEngine
from sharder.ray_task import Home, versions, work

pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs Linux's /proc")
PATIENCE_SECONDS = 60.0
CONFIG = PackConfig(samples_per_shard=3, segments=SegmentConfig(core_seconds=1.0))
SMALL = TranscodeProfile(short_side=16, fps=10)


def wait_until(ready: Callable[[], bool]) -> None:
    until = time.monotonic() + PATIENCE_SECONDS
    while not ready():
        assert time.monotonic() < until
        time.sleep(0.02)


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Of a Ray with two CPUs, started by a command of ours. Ctrl-C leaves nothing of it."""
    folder = tmp_path_factory.mktemp("ray")
    (folder / "tmp").mkdir()
    holder = start_holder(folder)
    assert holder.stdout is not None and holder.stdin is not None
    yield holder.stdout.readline().strip()
    holder.stdin.write("work\n")
    holder.stdin.flush()
    wait_until(lambda: (folder / "begun-0").exists())
    os.killpg(holder.pid, signal.SIGINT)
    errors = holder.communicate(timeout=PATIENCE_SECONDS)[1]
    # Beside our line only Ray's log ("[time pid] …"): at times it names a task that ended too late.
    told = [line for line in errors.splitlines() if not line.startswith("[")]
    assert (holder.returncode, told) == (130, ["interrupted"])
    wait_until(lambda: not processes_of_session(holder.pid))
    assert files_below(folder) == {"begun-0": b"", "tmp/": b""}


def start_holder(folder: Path) -> subprocess.Popen[str]:
    repository = Path(__file__).parents[2]
    settings = {
        "PYTHONPATH": str(repository),
        "TMPDIR": str(folder / "tmp"),
        "RAY_AUTH_MODE": "disabled",  # else the token is read as this process imports Ray
    }
    return subprocess.Popen(
        [sys.executable, "-m", "tests.sharder.ray_holder", str(folder)],
        cwd=repository,
        env={**os.environ, **settings},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


@pytest.fixture(scope="module")
def engine(address: str) -> Iterator[RayEngine]:
    """That Ray, as of another command."""
    with open_ray(address, None) as connected:
        assert isinstance(connected, RayEngine)
        yield connected


@dataclass(frozen=True, kw_only=True)
class Killing(TranscodeProfile):
    """Kills its own process in the middle of a shard, once."""

    marker: str

    def encode(self, media: Media, span: Span, size: Size | None = None) -> EncodedSegment:
        """See Profile."""
        if span.start_seconds > 2 and not Path(self.marker).exists():
            Path(self.marker).touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return super().encode(media, span, size)


def pack_into(
    folder: Path, videos: Path, moments: Path, profile: TranscodeProfile, engine: Engine
) -> dict[str, bytes]:
    sources = find_sources([str(videos)], with_audio_files=False)
    times = read_moments(str(moments))
    root = folder / "root"
    pack(sources, times, Annotations(), str(root), profile, CONFIG, engine, "the command")
    return files_below(root)


def test_pack_gives_the_same_bytes_though_a_worker_is_killed(
    engine: Engine, videos: Path, moments: Path, tmp_path: Path
) -> None:
    marker = tmp_path / "killed"
    profile = Killing(short_side=16, fps=10, marker=str(marker))
    on_ray = pack_into(tmp_path / "ray", videos, moments, profile, engine)
    assert marker.exists()
    here = pack_into(tmp_path / "here", videos, moments, SMALL, LocalEngine(1))
    assert len([name for name in here if name.endswith(".tar")]) > 3
    assert on_ray == here


def test_detect_gives_the_same_bytes(
    run: Run, engine: Engine, videos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "in").mkdir()
    for path in videos.iterdir():
        (tmp_path / "in" / path.name).hardlink_to(path)
    (tmp_path / "in" / "text.mp4").write_text("no video at all")
    asked: list[tuple[str, int | None]] = []

    @contextmanager
    def opened(address: str, workers: int | None) -> Iterator[Engine]:
        asked.append((address, workers))
        yield engine

    monkeypatch.setattr(cli, "open_ray", opened)
    ray = ("--engine", "ray", "--ray-address", "head:6379", "--workers", "2")
    outcomes = [
        run("detect", tmp_path / "in", "-o", tmp_path / "ray.parquet", *ray),
        run("detect", tmp_path / "in", "-o", tmp_path / "here.parquet", "--workers", "1"),
    ]
    assert asked == [("head:6379", 2)]
    assert [outcome.code for outcome in outcomes] == [0, 0]
    assert outcomes[0].text.replace("ray.parquet", "here.parquet") == outcomes[1].text
    assert "text.mp4: unreadable" in outcomes[0].text
    assert (tmp_path / "ray.parquet").read_bytes() == (tmp_path / "here.parquet").read_bytes()


def first_is_bad(number: int, folder: Path) -> int:
    """0 fails once another has begun; the others work for long."""
    if number == 0:
        wait_until(lambda: any(folder.iterdir()))
        storage.open_input(f"{folder}/nowhere.mp4")
    (folder / str(os.getpid())).touch()
    time.sleep(600.0)
    return number


def test_an_error_ends_the_run_and_says_where(engine: RayEngine, tmp_path: Path) -> None:
    assert engine.workers == 2
    engine._home = Home("another node", versions())
    with pytest.raises(UserError) as raised:
        list(engine.map(partial(first_is_bad, folder=tmp_path), range(12)))
    begun = [int(path.name) for path in tmp_path.iterdir()]
    assert 1 <= len(begun) <= 2  # the worker that failed may have taken one more
    wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in begun))
    said = str(raised.value)
    assert said.startswith(f"no such file, folder or bucket: {tmp_path}/nowhere.mp4 (on node ")
    assert said.endswith("; give URLs, or folders that all nodes share)")


def damaged(_: int) -> None:
    raise SampleError("cut short")


def test_a_node_with_other_code_is_refused() -> None:
    assert {"sharder", "PyAV", "libavcodec"} <= versions().keys()
    assert work(len, "abc", Home("", versions())) == 3
    with pytest.raises(SampleError, match="cut short"):
        work(damaged, 1, Home("", versions()))
    with pytest.raises(UserError, match=r"has PyAV .*, the command has 1\.0; install the same"):
        work(len, "abc", Home("", {**versions(), "PyAV": "1.0"}))


@pytest.mark.parametrize(
    ("address", "named"),
    [
        ("head", "--ray-address is 'head'; give `auto` or `host:port`"),
        ("ray://head:10001", "on a node of the cluster"),
        ("127.0.0.1:1", "no Ray cluster can be used at 127.0.0.1:1 ([Errno 111] Conn"),
    ],
)
def test_no_cluster_is_one_line(
    run: Run, videos: Path, tmp_path: Path, address: str, named: str
) -> None:
    options = ("--engine", "ray", "--ray-address", address)
    outcome = run("detect", videos, "-o", tmp_path / "moments.parquet", *options)
    assert outcome.code == 2 and len(outcome.lines) == 1, outcome
    assert named in outcome.text
    assert not list(tmp_path.iterdir())
