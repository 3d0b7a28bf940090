"""A proxy on loopback before an S3 server that spoils chosen answers, for tests of retries."""

from __future__ import annotations

import contextlib
import http.client
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

LONGEST_STALL_SECONDS = 5.0
ANSWERS = {
    "500": b"<Code>InternalError</Code><Message>We encountered an internal error.</Message>",
    "503": b"<Code>SlowDown</Code><Message>Please reduce your request rate.</Message>",
    "301": b"<Code>PermanentRedirect</Code><Message>Use the specified endpoint.</Message>",
    "400": b"<Code>ExpiredToken</Code><Message>The provided token has expired.</Message>",
    "403": b"<Code>AccessDenied</Code><Message>Access Denied</Message>",
    "404": b"<Code>NoSuchKey</Code><Message>The specified key does not exist.</Message>",
}
"""What S3 says with each status."""


@dataclass
class FaultyProxy:
    """`spoil(number)` names the fault of the number-th ranged read of a shard, or None."""

    endpoint: str
    spoil: Callable[[int], str | None] = lambda _number: None
    late_seconds: float = 1.0
    """How late the fault "late" is: the answer is right, and comes after that."""
    reads: int = 0
    served: Counter[str] = field(default_factory=Counter)
    """Path → bytes of all answers to GETs of it."""
    unranged: set[str] = field(default_factory=set)
    """Paths of which a GET has asked for no range."""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def start_over(self, spoil: Callable[[int], str | None]) -> None:
        """Counts reads from 0 again, with other faults."""
        self.spoil, self.reads = spoil, 0

    def note(self, path: str, num_bytes: int, *, is_ranged: bool) -> None:
        """Counts an answer to a GET."""
        with self.lock:
            self.served[path] += num_bytes
            if not is_ranged:
                self.unranged.add(path)

    def next_fault(self) -> str | None:
        """The fault of the read that has just come."""
        with self.lock:
            number, self.reads = self.reads, self.reads + 1
        return self.spoil(number)


@contextlib.contextmanager
def running_proxy(upstream: str) -> Iterator[FaultyProxy]:
    """A proxy before the server at URL `upstream`, for a `with` block."""
    host = urlsplit(upstream).netloc
    proxy = FaultyProxy("")

    class Handler(_Handler):
        upstream_host = host
        faulty = proxy

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    proxy.endpoint = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield proxy
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)


class _Handler(BaseHTTPRequestHandler):
    """Forwards a request with its headers as signed; spoils the answer as the proxy says."""

    protocol_version = "HTTP/1.1"
    upstream_host = ""
    faulty: FaultyProxy

    def do_GET(self) -> None:
        is_read = ".tar" in self.path and "Range" in self.headers
        fault = self.faulty.next_fault() if is_read else None
        if fault == "reset before":
            return self._reset()
        if fault in ANSWERS:
            body = b"<?xml version='1.0'?>\n<Error>" + ANSWERS[fault] + b"</Error>"
            return self._answer(int(fault), {"Content-Type": "application/xml"}, body)
        if fault == "late":
            time.sleep(self.faulty.late_seconds)
        status, headers, body = self._ask_upstream()
        if self.command == "GET":
            path = urlsplit(self.path).path
            self.faulty.note(path, len(body), is_ranged="Range" in self.headers)
        if fault == "wrong bytes":
            body = body[:-1] + bytes([body[-1] ^ 1])
        if fault == "short":
            body = body[: len(body) // 2]
        if fault in ("reset inside", "stall"):
            self._answer(status, headers, body, stop_after=len(body) // 2)
            if fault == "stall":
                time.sleep(LONGEST_STALL_SECONDS)
            return self._reset()
        return self._answer(status, headers, body)

    do_HEAD = do_GET  # noqa: N815

    def _ask_upstream(self) -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection(self.upstream_host, timeout=30)
        try:
            connection.putrequest(
                self.command, self.path, skip_host=True, skip_accept_encoding=True
            )
            for name, value in self.headers.items():
                connection.putheader(name, value)
            connection.endheaders()
            answer = connection.getresponse()
            kept = {n: v for n, v in answer.getheaders() if n.lower() not in _OURS}
            if self.command == "HEAD":
                kept["Content-Length"] = answer.getheader("Content-Length", "0")
            return answer.status, kept, answer.read()
        finally:
            connection.close()

    def _answer(
        self, status: int, headers: dict[str, str], body: bytes, stop_after: int | None = None
    ) -> None:
        with contextlib.suppress(OSError):
            self.send_response_only(status)
            for name, value in headers.items():
                self.send_header(name, value)
            if "Content-Length" not in headers:
                self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body[:stop_after])
                self.wfile.flush()

    def _reset(self) -> None:
        """Ends the connection by RST, in the middle of whatever it was."""
        self.close_connection = True
        with contextlib.suppress(OSError):
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""


_OURS = {"content-length", "transfer-encoding", "connection", "keep-alive"}
