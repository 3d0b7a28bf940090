"""One request for a range of a file on any store, and what its errors mean."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Collection
from enum import Enum
from typing import Any

from fsspec.asyn import AsyncFileSystem

from replai.core import storage
from replai.core.errors import UserError
from replai.core.obstore_reads import can_read, is_preferred, obstore_filesystem
from replai.core.store_errors import naming_store_errors
from replai.core.web_reads import NoRangesError
from replai.stream.retry import may_pass

MOST_HEDGED = 0.05
"""Share of the requests that may have a second one."""


class S3Client(Enum):
    """What reads samples from S3."""

    auto = "auto"
    """obstore where it is installed and all that S3 needs is told to it, else s3fs."""
    s3fs = "s3fs"
    """In Python; comes with this software."""
    obstore = "obstore"
    """In Rust, a quarter of the CPU a read; `pip install obstore`."""

    def chosen(self) -> S3Client:
        """Which of the two `auto` stands for here."""
        if self is not S3Client.auto:
            return self
        return S3Client.obstore if is_preferred() else S3Client.s3fs


class Hedge:
    """Sends a second request beside a slow one (Dean and Barroso, The Tail at Scale, 2013).

    At most `MOST_HEDGED` of a process's requests: a store that is slow throughout, rather than
    now and then, is not asked for everything twice.
    """

    def __init__(self, after_seconds: float) -> None:
        """`after_seconds`: when a request counts as slow; 0 sends no second one."""
        self._after_seconds = after_seconds
        self._num_requests = self._num_hedged = 0

    async def answer(self, request: Callable[[], Awaitable[bytes]]) -> bytes:
        """The answer of whichever request answers first; an error only if none does."""
        if not self._after_seconds:
            return await request()
        self._num_requests += 1
        tasks = {asyncio.ensure_future(request())}
        try:
            done, _ = await asyncio.wait(tasks, timeout=self._after_seconds)
            if not done and self._may_hedge():
                self._num_hedged += 1
                tasks.add(asyncio.ensure_future(request()))
            return await _first_answer(tasks)
        finally:
            for task in tasks:
                task.add_done_callback(_forget)
                task.cancel()

    def _may_hedge(self) -> bool:
        return self._num_hedged < max(1.0, MOST_HEDGED * self._num_requests)


async def _first_answer(tasks: Collection[asyncio.Future[bytes]]) -> bytes:
    """Of the first of `tasks` that does not fail; raises an error if all do."""
    while True:
        done, tasks = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        good = [task for task in done if task.exception() is None]
        if good or not tasks:
            return (good or list(done))[0].result()


def _forget(task: asyncio.Future[bytes]) -> None:
    """Looks at the error of a request that nobody waits for, else asyncio would log it."""
    if not task.cancelled():
        task.exception()


async def get_range(url: str, offset: int, size: int, s3_client: S3Client) -> bytes:
    """One request. Hopeless errors of the store come as UserError, others as they are."""
    if storage.is_local(url):
        return await asyncio.to_thread(read_here, url, offset, size)
    try:
        fs, path = _client(url, s3_client)
        if isinstance(fs, AsyncFileSystem):
            data: bytes = await fs._cat_file(path, start=offset, end=offset + size)
        else:
            data = await asyncio.to_thread(storage.read_range, url, offset, size)
        if len(data) > size:
            raise NoRangesError(f"{len(data)} bytes")
        return data
    except NoRangesError as sent:
        raise UserError(
            f"the store of {url} knows no byte ranges: it sent {sent} for {size}"
        ) from None
    except Exception as error:
        if "not satisfiable" in str(error).lower():
            return b""  # what S3 and HTTP answer where the file ends before `offset`
        if may_pass(error):
            raise
        with naming_store_errors(url):
            raise


def _client(url: str, s3_client: S3Client) -> tuple[Any, str]:
    if s3_client is S3Client.obstore and can_read(url):
        return obstore_filesystem(url)
    return storage.range_filesystem(url)


def read_here(url: str, offset: int, size: int) -> bytes:
    """As `get_range`, of a file on this machine."""
    try:
        file = os.open(storage.local_path(url), os.O_RDONLY)
        try:
            pieces, missing = [], size
            # A pread gives 2 GiB at the most, and a network's file system less now and then.
            while missing and (piece := os.pread(file, missing, offset + size - missing)):
                pieces.append(piece)
                missing -= len(piece)
            return pieces[0] if len(pieces) == 1 else b"".join(pieces)
        finally:
            os.close(file)
    except Exception as error:
        if may_pass(error):
            raise
        with naming_store_errors(url):
            raise


async def current_size(url: str, timeout_seconds: float) -> int | None:
    """Size in bytes of the file at `url` as it is now; None where the store does not say."""
    try:
        async with asyncio.timeout(timeout_seconds):
            return await asyncio.to_thread(_size, url)
    except Exception as error:
        if may_pass(error):
            return None
        with naming_store_errors(url):
            raise


def _size(url: str) -> int | None:
    fs, path = storage.range_filesystem(url)
    fs.invalidate_cache()
    try:
        size = fs.size(path)
    except FileNotFoundError:
        if not url.startswith(("http://", "https://")):
            raise
        fs.cat_file(path, start=0, end=1)  # fsspec says so of every answer; this says which
        return None
    return None if size is None else int(size)
