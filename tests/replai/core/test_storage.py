import errno
import os
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import fsspec
import pytest

from replai.core import storage
from replai.core.errors import NotFoundError, RefusedError, UserError

NAMES = ("plain", "two words", "Küche 厨房", "50%20#1?[x]*")


@pytest.fixture(params=["path", "file", "memory"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of an empty folder on each kind of store."""
    if request.param == "memory":
        name = f"/{uuid.uuid4().hex}"
        yield f"memory:/{name}"
        fsspec.filesystem("memory").rm(name, recursive=True)
        return
    yield {"path": str(tmp_path), "file": f"file://{tmp_path}"}[request.param]


@pytest.mark.parametrize("name", NAMES)
def test_what_is_written_is_read(folder: str, name: str, tmp_path: Path) -> None:
    url = storage.join(folder, name, "a.bin")
    assert not storage.exists(url)
    storage.write_bytes(url, b"0123456789")
    assert storage.read_bytes(url) == b"0123456789"
    assert storage.read_range(url, 2, 3) == b"234"
    assert storage.read_range(url, 8, 9) == b"89"
    assert storage.read_range(url, 20, 9) == b""
    assert storage.file_size(url) == 10
    with storage.open_input(url) as file:
        file.seek(7)
        assert file.read() == b"789"
    assert storage.is_folder(storage.join(folder, name))
    assert not storage.is_folder(url)
    storage.write_bytes(url, b"new")
    assert storage.read_bytes(url) == b"new"

    source = tmp_path / "moved"
    source.write_bytes(b"moved")
    other = storage.join(folder, name, "z", "b.bin")
    storage.put_file(source, other)
    assert not source.exists()
    listed = storage.list_files(storage.join(folder, name))
    assert [storage.read_bytes(found) for found in listed] == [b"new", b"moved"]
    assert storage.list_names(folder) == [f"{name}/a.bin", f"{name}/z/b.bin"]
    storage.remove_files([url, url])
    assert not storage.exists(url)
    assert storage.read_bytes(other) == b"moved"


@pytest.mark.parametrize(
    ("message", "reads"),
    [
        ("The requested range is not satisfiable", b""),
        ("416 Range Not Satisfiable", b""),
        ("400", None),
    ],
)
def test_a_range_past_the_end_is_empty_on_stores_that_refuse_it(
    monkeypatch: pytest.MonkeyPatch, message: str, reads: bytes | None
) -> None:
    def refuse(*_: object, **__: object) -> bytes:
        raise OSError(errno.EINVAL, message)

    monkeypatch.setattr(type(fsspec.filesystem("memory")), "cat_file", refuse)
    if reads is not None:
        assert storage.read_range("memory://a", 20, 5) == reads
        return
    with pytest.raises(OSError, match="400"):
        storage.read_range("memory://a", 20, 5)


def test_relative_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    storage.write_bytes("sub/a", b"1")
    assert (tmp_path / "sub/a").read_bytes() == b"1"
    assert storage.read_bytes("./sub/../sub/a") == b"1"
    assert storage.local_path("sub/a") == tmp_path / "sub/a"
    assert storage.list_files("sub") == [str(tmp_path / "sub/a")]


def test_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    storage.write_bytes("~/a", b"1")
    assert (tmp_path / "a").read_bytes() == b"1"
    assert storage.exists("~/a")
    assert storage.local_path("~/a") == tmp_path / "a"


def test_what_is_local() -> None:
    assert all(storage.is_local(url) for url in ("a", "/a/b c", "file:///a", "local:///a", "a:b"))
    assert not any(storage.is_local(url) for url in ("s3://b/a", "https://h/a", "memory://a"))
    assert storage.local_path("file:///a/b%20c d") == Path("/a/b%20c d")


class DiskFullError(OSError):
    pass


def full_disk(*_: object) -> None:
    raise DiskFullError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("step", ["os.fsync", "pathlib.Path.replace"])
def test_a_failed_write_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"old")
    monkeypatch.setattr(step, full_disk)
    with pytest.raises(UserError, match=f"{path}: .*No space left"):
        storage.write_bytes(str(path), b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_an_interrupted_write_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(_: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("os.fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        storage.write_bytes(str(tmp_path / "a"), b"new")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("root", "parts", "joined"),
    [
        ("/a", ("b", "c"), "/a/b/c"),
        ("/a/", ("b/c",), "/a/b/c"),
        ("/", ("b",), "/b"),
        ("s3://bucket/", ("b..c",), "s3://bucket/b..c"),
        ("a b", ("ä",), "a b/ä"),
    ],
)
def test_join(root: str, parts: tuple[str, ...], joined: str) -> None:
    assert storage.join(root, *parts) == joined


@pytest.mark.parametrize("part", ["/etc/passwd", "../x", "a/../../x", "..", "s3://other/x"])
def test_join_refuses_escapes(part: str) -> None:
    with pytest.raises(UserError, match="no relative path below /root"):
        storage.join("/root", part)
    with pytest.raises(UserError, match="no relative path"):
        storage.join("/root", "a", part)


@pytest.mark.parametrize(
    "url", ["pipe:cat /etc/passwd", "simplecache::memory://a", "zip://a::/b.zip", "a::b"]
)
def test_pipes_and_chained_urls_are_refused(url: str, tmp_path: Path) -> None:
    for use in (
        storage.exists, storage.is_folder, storage.list_files, storage.file_size,
        storage.open_input, storage.read_bytes,
    ):  # fmt: skip
        with pytest.raises(UserError, match="refused"):
            use(url)
    with pytest.raises(UserError, match="refused"):
        storage.read_range(url, 0, 1)
    with pytest.raises(UserError, match="refused"):
        storage.write_bytes(url, b"")


def test_an_absolute_path_is_plain_whatever_its_name(tmp_path: Path) -> None:
    url = str(tmp_path / "simplecache::memory:" / "2021::05 b")
    storage.write_bytes(url, b"abc")
    assert (tmp_path / "simplecache::memory:" / "2021::05 b").read_bytes() == b"abc"
    assert storage.list_files(f"{tmp_path}/") == [url] and storage.file_size(url) == 3
    assert storage.read_bytes(url) == b"abc" == storage.read_range(url, 0, 9)


@pytest.mark.parametrize(
    "url", ["nope://a/b", "gs://bucket/a", "/no/such/file", "a\0b", "memory://nothing/here"]
)
def test_wrong_urls_are_one_line_that_names_them(url: str) -> None:
    with pytest.raises(UserError) as caught:
        storage.read_bytes(url)
    assert url in str(caught.value) or repr(url) in str(caught.value)
    assert "\n" not in str(caught.value)


@contextmanager
def serving(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    """The address of a web server that answers as `handler` does."""
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize(
    ("status", "told"), [(404, "no such file"), (403, "was refused"), (503, "does not answer")]
)
def test_a_web_server_is_taken_at_its_word(status: int, told: str) -> None:
    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_error(status)

        def do_HEAD(self) -> None:
            self.send_error(status)

        def log_message(self, *_: object) -> None:
            pass

    with serving(Answer) as host:
        for ask in (storage.file_size, storage.read_bytes):
            with pytest.raises(UserError, match=told) as caught:
                ask(f"{host}/a.mp4")
            assert isinstance(caught.value, NotFoundError) == (status == 404)


@pytest.mark.parametrize("status", [200, 403, 404, 410, 429, 500, 503])
def test_a_web_server_in_trouble_is_no_no(status: int) -> None:
    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with serving(Answer) as host:
        if status == 403:
            with pytest.raises(RefusedError):
                storage.exists(f"{host}/a.csv")
        elif status in (429, 500, 503):
            with pytest.raises(UserError, match="does not answer"):
                storage.exists(f"{host}/a.csv")
        else:
            assert storage.exists(f"{host}/a.csv") == (status == 200)
    with pytest.raises(UserError):
        storage.exists(f"{host}/a.csv")  # nobody is there any more


def test_a_server_that_states_no_size_is_read_to_its_end() -> None:
    """As of what is compressed, or made on the way."""

    class Chunked(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            self.wfile.write(b"5\r\nhello\r\n0\r\n\r\n")

        def do_HEAD(self) -> None:
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with serving(Chunked) as host:
        url = f"{host}/checkpoint.pt"
        assert storage.stated_size(url) is None
        with storage.open_input(url) as file:
            assert file.read() == b"hello"
        with pytest.raises(UserError, match="does not state its size"):
            storage.file_size(url)


def test_ctrl_c_is_no_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(os, "stat", interrupted)
        storage.exists(str(tmp_path))


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    for read in (storage.read_bytes, storage.open_input):
        with pytest.raises(UserError, match=str(tmp_path)):
            read(str(tmp_path))
