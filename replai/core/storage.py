"""Files on any store, by URL: local paths, s3://, http(s)://, memory:// and what fsspec knows.

The filesystem object is made lazily in each process (s3fs is not fork-safe) by fsspec's own
instance cache. Credentials, endpoint and region come from where boto3 users keep them: the
environment (AWS_ACCESS_KEY_ID, AWS_ENDPOINT_URL, AWS_PROFILE …) or ~/.aws.
"""

from __future__ import annotations

import errno
import os
import posixpath
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, cast

from fsspec.core import url_to_fs
from fsspec.implementations.local import LocalFileSystem

from replai.core.errors import UserError
from replai.core.store_errors import http_status, naming_store_errors
from replai.core.web_reads import ranges_client

# Of HTTP: what is said of no such file. 401 and 403 may be, too, as with S3; who asks has to know.
_MAY_MEAN_NO = {*range(400, 500)} - {401, 403, 408, 425, 429}
_S3_READS = {"max_pool_connections": 64, "retries": {"total_max_attempts": 1}}
_S3 = ("s3://", "s3a://")
_HTTP = ("http://", "https://")
_PART_BYTES = 16 << 20
"""Of an upload; S3 takes 10,000 of them."""
READ_BLOCK_BYTES = 1 << 20
"""Read-ahead of `open_input` on remote stores: fewer, larger ranged GETs."""


def is_local(url: str) -> bool:
    """Whether `url` names a file of this machine."""
    return "://" not in url or url.startswith(("file://", "local://"))


def local_path(url: str) -> Path:
    """The absolute path behind a local `url`, as the filesystem object sees it (`~` is home)."""
    return Path(filesystem(url)[1])


def absolute(url: str) -> str:
    """`url`, which means the same in any folder: a local path is made absolute."""
    return str(local_path(url)) if is_local(url) else url


def join(root: str, *parts: str) -> str:
    """`parts` below `root`; parts are relative and stay below it."""
    for part in parts:
        if part.startswith("/") or ".." in part.split("/") or "://" in part:
            raise UserError(f"{part!r} is no relative path below {root}")
    return posixpath.join(root.rstrip("/") or "/", *parts)


def filesystem(url: str, **options: Any) -> tuple[Any, str]:
    """(fsspec filesystem made with `options`, path on it) of `url`.

    An absolute path is a plain file's or folder's, whatever its name. Raises UserError for `pipe:`
    and chained URLs.
    """
    if url.startswith("/"):
        local = LocalFileSystem(**options)
        return local, str(local._strip_protocol(url))
    if url.startswith("pipe:") or "::" in url:
        raise UserError(f"{url!r}: pipes and chained URLs are refused; give one plain URL")
    with naming_store_errors(url):
        fs, path = url_to_fs(url, **options)
        return fs, str(path)


def range_filesystem(url: str) -> tuple[Any, str]:
    """As `filesystem`, for many reads at once; its client tries once, retries are the caller's.

    Reads from a web server that knows no ranges raise NoRangesError.
    """
    if url.startswith(_HTTP):
        return filesystem(url, get_client=ranges_client)
    if not url.startswith(_S3):
        return filesystem(url)
    fs, path = filesystem(url, config_kwargs=_S3_READS)
    fs.retries = 1
    return fs, path


def exists(url: str) -> bool:
    """Whether a file or folder stands at `url` now. Raises RefusedError where we may not know: S3
    says so of each key that is not there, in a bucket that may be read but not listed, and so
    do some web servers. Raises UserError where the store does not answer."""
    fs, path = filesystem(url)
    with naming_store_errors(url):
        if is_local(url):
            return Path(path).exists()  # fsspec takes Ctrl-C, while it looks, for a no
        fs.invalidate_cache()  # what a listing of some time ago told
        if not url.startswith(_HTTP):
            return bool(fs.exists(path))
        try:
            return bool(fs.exists(path, strict=True))  # else it is a no, whatever goes wrong
        except Exception as error:
            if http_status(error) in _MAY_MEAN_NO:
                return False
            raise


def is_folder(url: str) -> bool:
    """Whether `url` is a folder (or a prefix with objects below it)."""
    fs, path = filesystem(url)
    with naming_store_errors(url):
        return bool(fs.isdir(path))


def list_files(url: str) -> list[str]:
    """URLs of all files below the folder `url`, sorted. Links to folders are not followed."""
    fs, path = filesystem(url)
    with naming_store_errors(url):
        fs.invalidate_cache()
        return sorted(
            str(fs.unstrip_protocol(p)) if not is_local(url) else p for p in fs.find(path)
        )


def list_names(url: str) -> list[str]:
    """Paths below the folder `url` of all files in it, sorted. Links are not followed. Of the
    object that a store or its console may keep for the folder itself there is no path."""
    fs, path = filesystem(url)
    with naming_store_errors(url):
        fs.invalidate_cache()
        names = (str(p)[len(path) :].lstrip("/") for p in fs.find(path))
        return sorted(name for name in names if name)


def file_size(url: str) -> int:
    """Size in bytes of the file at `url`. Raises UserError where the store does not state it."""
    size = stated_size(url)
    if size is None:
        raise UserError(f"the server of {url} does not state its size; fetch it first")
    return size


def stated_size(url: str) -> int | None:
    """Size in bytes of the file at `url`; None where the store does not state it, as web servers
    do not of what they compress or make on the way."""
    fs, path = filesystem(url)
    with naming_store_errors(url):
        try:
            size = fs.size(path)
            return None if size is None else int(size)
        except FileNotFoundError:
            if not url.startswith(_HTTP):
                raise
            fs.cat_file(path, start=0, end=1)  # fsspec says so of every answer; this says which
            raise


def open_input(url: str) -> BinaryIO:
    """A seekable binary file for reading; a remote one is read by range, never downloaded whole."""
    fs, path = filesystem(url)
    with naming_store_errors(url):
        if is_local(url):
            return cast(BinaryIO, Path(path).open("rb"))
        return cast(BinaryIO, fs.open(path, "rb", block_size=READ_BLOCK_BYTES))


@contextmanager
def reading(url: str) -> Iterator[BinaryIO]:
    """As `open_input`, for the block that reads it: what the store says there names `url`, too."""
    with open_input(url) as file, naming_store_errors(url):
        yield file


def read_bytes(url: str) -> bytes:
    """The whole file at `url`."""
    fs, path = filesystem(url)
    with naming_store_errors(url):
        return cast(bytes, fs.cat_file(path))


def read_range(url: str, offset: int, size: int) -> bytes:
    """Bytes [offset, offset + size) of the file at `url`, in one request; fewer at its end."""
    fs, path = filesystem(url)
    try:
        return cast(bytes, fs.cat_file(path, start=offset, end=offset + size))
    except Exception as error:
        if "not satisfiable" not in str(error).lower():
            raise
        return b""  # what S3 and HTTP answer where the file ends before `offset`


def write_bytes(url: str, data: bytes) -> None:
    """Writes `url` whole or not at all: a PUT is atomic, a local file is renamed into place."""
    with naming_store_errors(url):
        if is_local(url):
            write_local_atomically(local_path(url), data)
            return
        fs, path = filesystem(url)
        fs.pipe_file(path, data)


def create_bytes(url: str, data: bytes) -> bool:
    """Writes `url` if nothing is there yet; False if something is. Of many callers one succeeds,
    where the store knows conditional writes (S3: If-None-Match)."""
    fs, path = filesystem(url)
    with naming_store_errors(url):
        try:
            fs.pipe_file(path, data, mode="create")
        except FileExistsError:
            return False
        except OSError as error:
            if error.errno != errno.EINVAL:  # what s3fs makes of a condition that does not hold
                raise
            return False
    return True


def write_local_atomically(path: Path, data: bytes | memoryview, *, sync: bool = True) -> None:
    """Writes a local file by way of a temporary name in the same folder.

    Without `sync` a power cut may leave it torn: for what can be had again.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(data)
            if sync:
                file.flush()
                os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def remove_files(urls: list[str]) -> None:
    """Removes the files that exist among `urls`."""
    for url in urls:
        fs, path = filesystem(url)
        with naming_store_errors(url):
            if exists(url):
                fs.rm_file(path)


def put_file(source: Path, url: str) -> None:
    """Moves the finished local file `source` to `url`, whole or not at all; also in a power cut."""
    with naming_store_errors(url):
        if is_local(url):
            with source.open("rb") as file:
                os.fsync(file.fileno())
            target = local_path(url)
            target.parent.mkdir(parents=True, exist_ok=True)
            source.replace(target)
            return
        fs, path = filesystem(url)
        # s3fs keeps 10 parts of 50 MiB by itself.
        parts = {"chunksize": _PART_BYTES, "max_concurrency": 2} if url.startswith(_S3) else {}
        fs.put_file(str(source), path, **parts)
        source.unlink()
