"""A proxy on loopback before an S3 server that spoils chosen answers, for tests of retries."""

from __future__ import annotations

import contextlib
import http.client
import re
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

LONGEST_STALL_SECONDS = 5.0
_RANGE = re.compile(r"bytes=(\d+)-(\d+)$")
ANSWERS = {
    "500": b"<Code>InternalError</Code><Message>We encountered an internal error.</Message>",
    "503": b"<Code>SlowDown</Code><Message>Please reduce your request rate.</Message>",
    "301": b"<Code>PermanentRedirect</Code><Message>Use the specified endpoint.</Message>",
    "400": b"<Code>ExpiredToken</Code><Message>The provided token has expired.</Message>",
    "403": b"<Code>AccessDenied</Code><Message>Access Denied</Message>",
    "404": b"<Code>NoSuchKey</Code><Message>The specified key does not exist.</Message>",
}
"""What S3 says with each status."""
BROKEN_OFF = ("cut", "reset inside", "stall")
"""Answers with the right headers that end inside the body: by FIN, by RST, or not at all."""


@dataclass(frozen=True)
class RangedRead:
    """The number-th ranged read of a shard: bytes [start, stop) of `path`, /BUCKET/KEY."""

    number: int
    path: str
    start: int
    stop: int

    def touches(self, path: str, start: int, stop: int) -> bool:
        """Whether it asks for any of these bytes."""
        return self.path == path and self.start < stop and start < self.stop


Spoil = Callable[[RangedRead], str | None]
"""Names the fault of a read; None for none."""


def no_fault(_read: RangedRead) -> None:
    """Spoils nothing."""


@dataclass
class FaultyProxy:
    """Spoils the ranged reads of shards as `spoil` says, which is asked for one after the other."""

    endpoint: str
    spoil: Spoil = no_fault
    strikes_at: int | None = None
    """Byte of the file that is wrong, or from which a body is missing; None: the body's middle."""
    late_seconds: float = 1.0
    """How late the fault "late" is: the answer is right, and comes after that."""
    reads: list[RangedRead] = field(default_factory=list)
    served: Counter[str] = field(default_factory=Counter)
    """Path → bytes of all answers to GETs of it."""
    unranged: set[str] = field(default_factory=set)
    """Paths of which a GET has asked for no range."""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def start_over(self, spoil: Spoil = no_fault, strikes_at: int | None = None) -> None:
        """Counts reads from 0 again, with other faults."""
        with self.lock:
            self.spoil, self.strikes_at, self.reads = spoil, strikes_at, []

    def stay(self, fault: str, path: str, start: int, stop: int) -> None:
        """As `start_over`; every read of any of these bytes meets `fault`, in their middle."""
        self.start_over(
            lambda read: fault if read.touches(path, start, stop) else None, (start + stop) // 2
        )

    def note(self, path: str, start: int, stop: int) -> tuple[RangedRead, str | None]:
        """The read that has just come, and its fault."""
        with self.lock:
            read = RangedRead(len(self.reads), path, start, stop)
            self.reads.append(read)
            return read, self.spoil(read)

    def count(self, path: str, num_bytes: int, *, is_ranged: bool) -> None:
        """Counts an answer to a GET."""
        with self.lock:
            self.served[path] += num_bytes
            if not is_ranged:
                self.unranged.add(path)

    def strikes(self, read: RangedRead, body: bytes) -> int:
        """Where in `body` a fault strikes."""
        if self.strikes_at is None:
            return len(body) // 2
        return min(max(0, self.strikes_at - read.start), len(body) - 1)


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
        noted = self._note()
        read, fault = noted or (None, None)
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
            self.faulty.count(path, len(body), is_ranged="Range" in self.headers)
        if read is None or fault is None:
            return self._answer(status, headers, body)
        return self._spoiled(fault, status, headers, body, self.faulty.strikes(read, body))

    do_HEAD = do_GET  # noqa: N815

    def _note(self) -> tuple[RangedRead, str | None] | None:
        """The read and its fault, if this is a ranged read of a shard."""
        path, asked = unquote(urlsplit(self.path).path), _RANGE.match(self.headers.get("Range", ""))
        if asked is None or not path.endswith(".tar"):
            return None
        return self.faulty.note(path, int(asked[1]), int(asked[2]) + 1)

    def _spoiled(
        self, fault: str, status: int, headers: dict[str, str], body: bytes, at: int
    ) -> None:
        if fault == "wrong bytes":
            body = body[:at] + bytes([body[at] ^ 1]) + body[at + 1 :]
        if fault == "short":
            body = body[:at]
        if fault not in BROKEN_OFF:
            return self._answer(status, headers, body)
        self._answer(status, headers, body, stop_after=at)
        if fault == "stall":
            time.sleep(LONGEST_STALL_SECONDS)
        if fault == "cut":
            self.close_connection = True
        else:
            self._reset()

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
