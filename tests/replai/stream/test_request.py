import asyncio
import http.server
import threading

import fsspec.config
import pytest
from fsspec.asyn import get_loop

from replai.core.errors import UserError
from replai.stream.request import S3Client, _client, get_range


@pytest.mark.parametrize(
    ("installed", "settings", "chosen"),
    [
        (True, {}, S3Client.obstore),
        (False, {}, S3Client.s3fs),
        (True, {"s3": {"anon": True}}, S3Client.s3fs),  # which obstore does not know
    ],
)
def test_obstore_reads_where_it_is_installed(
    monkeypatch: pytest.MonkeyPatch, installed: bool, settings: dict[str, object], chosen: S3Client
) -> None:
    monkeypatch.setattr("replai.core.obstore_reads.find_spec", lambda _name: installed or None)
    monkeypatch.setattr(fsspec.config, "conf", settings)
    monkeypatch.delenv("AWS_CA_BUNDLE", raising=False)
    assert S3Client.auto.chosen() is chosen


def test_a_store_with_certificates_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fsspec.config, "conf", {})
    monkeypatch.setenv("AWS_CA_BUNDLE", "/etc/our-ca.pem")
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    assert S3Client.auto.chosen() is S3Client.s3fs
    monkeypatch.setenv("SSL_CERT_FILE", "/etc/our-ca.pem")
    assert S3Client.auto.chosen() is S3Client.obstore


def test_a_path_with_an_empty_part_is_not_for_obstore() -> None:
    assert type(_client("s3://bucket/a//b.tar", S3Client.obstore)[0]).__name__ == "S3FileSystem"


def test_a_client_that_is_asked_for_is_taken() -> None:
    assert [one.chosen() for one in (S3Client.s3fs, S3Client.obstore)] == [
        S3Client.s3fs, S3Client.obstore,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("length", "says"), [("1000000000", "1000000000 bytes"), ("", "the whole file")]
)
def test_a_web_server_that_would_send_the_whole_file(length: str, says: str) -> None:
    class Whole(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            """Sends the head of an answer, and nothing else."""
            self.send_response(200)
            if length:
                self.send_header("Content-Length", length)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Says nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Whole) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            url = f"http://127.0.0.1:{server.server_port}/a.tar"
            read = get_range(url, 10, 5, S3Client.s3fs)
            with pytest.raises(UserError, match=rf"/a.tar knows no .* it sent {says} for 5$"):
                asyncio.run_coroutine_threadsafe(read, get_loop()).result(20)
        finally:
            server.shutdown()
            thread.join(10)
