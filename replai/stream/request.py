"""One request for a range of a file on any store, and what its errors mean."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable

from fsspec.asyn import AsyncFileSystem

from replai.core import storage
from replai.stream.retry import may_pass


async def hedged(request: Callable[[], Awaitable[bytes]], hedge_seconds: float) -> bytes:
    """The answer of whichever request answers first; the second starts after `hedge_seconds`."""
    tasks = {asyncio.ensure_future(request())}
    try:
        if hedge_seconds:
            done, _ = await asyncio.wait(tasks, timeout=hedge_seconds)
            if not done:
                tasks.add(asyncio.ensure_future(request()))
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        return done.pop().result()
    finally:
        for task in tasks:
            task.add_done_callback(_forget)
            task.cancel()


def _forget(task: asyncio.Future[bytes]) -> None:
    """Looks at the error of a request that nobody waits for, else asyncio would log it."""
    if not task.cancelled():
        task.exception()


async def get_range(url: str, offset: int, size: int) -> bytes:
    """One request. Hopeless errors of the store come as UserError, others as they are."""
    try:
        if storage.is_local(url):
            return await asyncio.to_thread(_pread, url, offset, size)
        fs, path = storage.range_filesystem(url)
        if isinstance(fs, AsyncFileSystem):
            data: bytes = await fs._cat_file(path, start=offset, end=offset + size)
            return data
        return await asyncio.to_thread(storage.read_range, url, offset, size)
    except Exception as error:
        if "not satisfiable" in str(error).lower():
            return b""  # what S3 and HTTP answer where the file ends before `offset`
        if may_pass(error):
            raise
        with storage.naming_store_errors(url):
            raise


def _pread(url: str, offset: int, size: int) -> bytes:
    with storage.local_path(url).open("rb", buffering=0) as file:
        return os.pread(file.fileno(), size, offset)


async def current_size(url: str, timeout_seconds: float) -> int | None:
    """Size in bytes of the file at `url` as it is now; None where the store does not say."""
    try:
        async with asyncio.timeout(timeout_seconds):
            return await asyncio.to_thread(_size, url)
    except Exception as error:
        if may_pass(error):
            return None
        with storage.naming_store_errors(url):
            raise


def _size(url: str) -> int | None:
    fs, path = storage.range_filesystem(url)
    fs.invalidate_cache()
    size = fs.size(path)
    return None if size is None else int(size)
