"""Sources that their store does not give: left out and named before anything is done, if the user
has not named them; what fails later, or concerns all of them, stops the command."""

from __future__ import annotations

import errno
import io
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import BinaryIO
from unittest import mock

import pytest

from replai.core import storage
from sharder.timestamps import read_moments
from tests.sharder.command import Outcome
from tests.sharder.conftest import Run
from tests.sharder.test_pack import samples

ONE = ("--workers", "1")


class Handler(SimpleHTTPRequestHandler):
    """Serves a folder, and ranges of its files; answers for some names with a status alone."""

    statuses: dict[str, int]

    def send_head(self) -> io.BytesIO | BinaryIO | None:  # type: ignore[override]
        status = self.statuses.get(self.path)
        if status is not None:
            self.send_error(status)
            return None
        path = Path(self.translate_path(self.path))
        if "Range" not in self.headers or not path.is_file():
            return super().send_head()
        first, last = self.headers["Range"].removeprefix("bytes=").split("-")
        data = path.read_bytes()
        part = data[int(first) : int(last) + 1 if last else None]
        self.send_response(206)
        self.send_header("Content-Length", str(len(part)))
        self.send_header("Content-Range", f"bytes {first}-{int(first) + len(part) - 1}/{len(data)}")
        self.end_headers()
        return io.BytesIO(part)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def serving(folder: Path, told: dict[str, int] | None = None, **statuses: int) -> Iterator[str]:
    """The URL of a web server of `folder` that answers for NAME.mp4 with a status; `told`, by path,
    may change meanwhile."""
    told = {} if told is None else told
    told |= {f"/{name}.mp4": status for name, status in statuses.items()}
    handler = type("Spoiled", (Handler,), {"statuses": told})
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(handler, directory=folder)) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def moments(tmp_path: Path) -> Path:
    path = tmp_path / "moments.csv"
    path.write_text("video_id,seconds\na,3\nb,3\nc,2\n")
    return path


def flat(outcome: Outcome) -> str:
    return " ".join(outcome.text.split())


@pytest.mark.parametrize(("status", "told"), [(403, "was refused (403"), (404, "no such file")])
def test_what_a_store_does_not_give_is_left_out_and_named(
    status: int, told: str, videos: Path, moments: Path, tmp_path: Path, run: Run
) -> None:
    with serving(videos, b=status) as url:
        outcome = run("detect", url, "-o", tmp_path / "m.parquet", *ONE)
        assert outcome.code == 0, outcome
        assert f"skipped 1 sources: {url}b.mp4: " in flat(outcome) and told in flat(outcome)
        assert set(read_moments(str(tmp_path / "m.parquet"))) == {"a", "c"}
        to = ("--moments", moments, "--profile", "copy", "--out", tmp_path / "root")
        packed = run("pack", url, *to, *ONE)
        assert packed.code == 0, packed
        assert f"skipped 1 sources: {url}b.mp4: " in flat(packed) and told in flat(packed)
        assert {record.video_id for record, _ in samples(tmp_path / "root").values()} == {"a", "c"}


@pytest.mark.parametrize(
    ("statuses", "told"),
    [
        ({"a": 403, "b": 403, "c": 403}, "a.mp4 was refused (403"),  # wrong credentials
        ({"b": 401}, "b.mp4 was refused (401"),
        ({"b": 503}, "b.mp4 does not answer: 503"),
    ],
)
def test_what_is_not_of_one_source_alone_stops(
    statuses: dict[str, int], told: str, videos: Path, moments: Path, tmp_path: Path, run: Run
) -> None:
    with serving(videos, **statuses) as url:
        detected = run("detect", url, "-o", tmp_path / "m.parquet", *ONE)
        packed = run("pack", url, "--moments", moments, "--out", tmp_path / "root", *ONE)
    for outcome in (detected, packed):
        assert outcome.code == 2 and len(outcome.lines) == 1, outcome
        assert told in outcome.text
    assert not (tmp_path / "m.parquet").exists() and not (tmp_path / "root").exists()


def test_a_named_one_must_be_given(videos: Path, tmp_path: Path, run: Run) -> None:
    with serving(videos, b=403) as url:
        outcome = run("detect", f"{url}a.mp4", f"{url}b.mp4", "-o", tmp_path / "m.parquet", *ONE)
    assert outcome.code == 2 and len(outcome.lines) == 1
    assert "b.mp4 was refused (403" in outcome.text


class BadSector(io.BytesIO):
    """A file whose disk cannot read its end."""

    def read(self, size: int | None = -1) -> bytes:
        data = super().read(size)
        if self.tell() == len(self.getvalue()):
            raise OSError(errno.EIO, "Input/output error")
        return data


def spoil_b(monkeypatch: pytest.MonkeyPatch, *, good_times: int) -> None:
    """The file b.mp4 may be opened so often before it cannot be read any more."""
    really_open, times = storage.open_input, 0

    def open_input(url: str) -> BinaryIO:
        nonlocal times
        times += url.endswith("b.mp4")
        bad = url.endswith("b.mp4") and times > good_times
        return BadSector(Path(url).read_bytes()) if bad else really_open(url)

    monkeypatch.setattr(storage, "open_input", open_input)


def test_a_disk_that_cannot_read_stops_what_goes_on_when_it_can(
    videos: Path, moments: Path, tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may be a mount that is gone: what else it holds is not left out for that."""
    told = f"error: {videos}/b.mp4: [Errno 5] Input/output error"
    detect = ("detect", videos, "-o", tmp_path / "m.parquet", *ONE)
    to = ("--moments", moments, "--profile", "copy", "--out", tmp_path / "root")
    pack = ("pack", videos, *to, *ONE)
    for command, good_times in ((detect, 0), (pack, 0), (pack, 1)):  # 1: its header
        with monkeypatch.context() as patched:
            spoil_b(patched, good_times=good_times)
            outcome = run(*command)
        assert (outcome.code, outcome.lines[-1]) == (2, told), outcome
    assert run(*detect).code == run(*pack).code == 0
    assert set(read_moments(str(tmp_path / "m.parquet"))) == {"a", "b", "c"}
    assert {one.video_id for one, _ in samples(tmp_path / "root").values()} == {"a", "b", "c"}


def test_the_same_command_with_other_sources_is_told_so(
    videos: Path, moments: Path, tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    statuses: dict[str, int] = {}
    with serving(videos, statuses) as url:
        to = ("--moments", moments, "--profile", "copy", "--out", tmp_path / "root")
        with monkeypatch.context() as patched:
            patched.setattr("sharder.pack.finish_root", mock.Mock(side_effect=KeyboardInterrupt))
            assert run("pack", url, *to, *ONE).code == 130
        statuses["/b.mp4"] = 403
        outcome = run("pack", url, *to, *ONE)
    assert outcome.code == 2 and "b.mp4 was refused (403" in flat(outcome)
    assert "was begun by this very command, but with other sources" in flat(outcome)
