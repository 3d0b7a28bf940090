"""CPU of a ranged GET by client: PYTHONPATH=. python benchmarks/s3_clients.py --json FILE

s3fs as the stream uses it, and obstore's own asynchronous store, read random ranges of one object
on a SeaweedFS of this machine, 16 in flight, turn by turn. CPU seconds of this process only, all
its threads; the server shares the cores, so wall times say little.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib.metadata
import json
import os
import platform
import random
import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from replai.core import storage
from tools.seaweed import ACCESS_KEY, SECRET_KEY, running_s3

Get = Callable[[int, int], Awaitable[int]]

SIZES = (100_000, 400_000, 1_500_000)
OBJECT_BYTES = 64_000_000
GETS, ROUNDS, IN_FLIGHT = 200, 5, 16


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, required=True, help="file to write")
    arguments = parser.parse_args()
    with running_s3() as server:
        os.environ.update(server.environment)
        url = f"{server.make_bucket('bench')}/object"
        storage.write_bytes(url, os.urandom(OBJECT_BYTES))
        clients = {"s3fs": s3fs_client, "obstore": obstore_client}
        raw = asyncio.run(compared({n: make(url) for n, make in clients.items()}))
    figures = {f"{name}_cpu_ms": 1000 * statistics.median(times) for name, times in raw.items()}
    for size in SIZES:
        ratio = figures[f"s3fs_{size}_cpu_ms"] / figures[f"obstore_{size}_cpu_ms"]
        figures[f"s3fs_over_obstore_{size}"] = ratio
    versions = {name: importlib.metadata.version(name) for name in ("s3fs", "obstore")}
    result = {
        "figures": figures,
        "raw": raw,
        "command": " ".join(["python", *sys.argv]),
        "versions": {"python": platform.python_version(), **versions},
    }
    arguments.json.write_text(json.dumps(result, indent=1) + "\n")
    for name, value in figures.items():
        print(f"{name:32} {value:.3g}")


def s3fs_client(url: str) -> Get:
    """GETs as `replai.stream.reader` sends them."""
    fs, path = storage.range_filesystem(url)

    async def get(start: int, size: int) -> int:
        future = asyncio.run_coroutine_threadsafe(
            fs._cat_file(path, start=start, end=start + size), fs.loop
        )
        return len(await asyncio.wrap_future(future))

    return get


def obstore_client(url: str) -> Get:
    """GETs of obstore's S3 store."""
    from obstore.store import S3Store

    bucket, _, path = url.removeprefix("s3://").partition("/")
    store = S3Store(
        bucket,
        endpoint=os.environ["AWS_ENDPOINT_URL"],
        access_key_id=ACCESS_KEY,
        secret_access_key=SECRET_KEY,
        virtual_hosted_style_request=False,
        client_options={"allow_http": True},
    )

    async def get(start: int, size: int) -> int:
        data = await store.get_range_async(path, start=start, length=size)
        return len(data.to_bytes())  # the bytes that everything behind the reader wants

    return get


async def compared(clients: dict[str, Get]) -> dict[str, list[float]]:
    """CPU seconds a GET of each client and size, a number a round."""
    seconds: dict[str, list[float]] = {}
    for number in range(ROUNDS + 1):
        for size in SIZES:
            for name, get in clients.items():
                spent = await cpu_seconds(get, size, random.Random(number))
                if number:  # the first round warms up
                    seconds.setdefault(f"{name}_{size}", []).append(spent)
    return seconds


async def cpu_seconds(get: Get, size: int, draw: random.Random) -> float:
    """CPU seconds of one of `GETS` reads, `IN_FLIGHT` at a time."""
    free = asyncio.Semaphore(IN_FLIGHT)

    async def one(start: int) -> None:
        async with free:
            assert await get(start, size) == size

    started = time.process_time()
    await asyncio.gather(*(one(draw.randrange(OBJECT_BYTES - size)) for _ in range(GETS)))
    return (time.process_time() - started) / GETS


if __name__ == "__main__":
    main()
