"""Saved state: written whole or not at all, read without unpickling anything but tensors."""

from __future__ import annotations

import io
import pickle
import shutil
import zipfile
import zlib
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

import torch
from rich.progress import wrap_file

from replai.core import storage
from replai.core.errors import UserError
from replai.core.store_errors import naming_store_errors
from replai.core.urls import without_secrets

FORMAT = "replai-checkpoint-1"
BEFORE_TORCH_1_6 = pickle.dumps(0x1950A86A20F9469CFC6C, protocol=2)
"""What files of older torch versions begin with, in place of a zip archive."""
FETCH_BYTES = 8 << 20


def save_checkpoint(url: str, state: dict[str, Any]) -> None:
    """Writes `state` (tensors, dicts, lists, scalars) to `url` atomically."""
    buffer = io.BytesIO()
    torch.save({"format": FORMAT, **state}, buffer)
    storage.write_bytes(url, buffer.getvalue())


def load_checkpoint(url: str) -> dict[str, Any]:
    """The state saved at `url`, on the CPU. Raises UserError if it is none of ours."""
    data = io.BytesIO(storage.read_bytes(url))
    if not zipfile.is_zipfile(data):
        raise UserError(f"{url} is no torch checkpoint, or is cut off")
    _refuse_damaged(data, url)
    data.seek(0)
    state = _load_tensors(data, url)
    if state.get("format") != FORMAT:
        raise UserError(f"{url} is a torch file, but no checkpoint of train.py")
    return state


def load_foreign(url: str) -> dict[str, Any]:
    """The dict that another program saved with torch at `url`, its tensors on the CPU.

    Memory is taken by tensors that are looked at only (but for files of torch before 1.6, which
    are read whole). What is not on this machine is fetched to a temporary file first. Raises
    UserError if there is no such dict, or more than tensors and plain values in it.
    """
    with TemporaryDirectory() as folder:
        path = storage.local_path(url) if storage.is_local(url) else _fetched(url, Path(folder))
        with naming_store_errors(url), path.open("rb") as file:
            is_old = file.read(len(BEFORE_TORCH_1_6)) == BEFORE_TORCH_1_6
            is_zip = zipfile.is_zipfile(file)
        if not (is_zip or is_old):
            raise UserError(f"{url} is no torch checkpoint, or is cut off")
        if is_zip:
            _refuse_damaged(path, url)
        return _load_tensors(path, url, mmap=is_zip)  # the mapping outlives the file's name


def _refuse_damaged(file: Path | io.BytesIO, url: str) -> None:
    """Reads it all, block by block, against its checksums, at which torch does not look."""
    try:
        with zipfile.ZipFile(file) as archive:
            damaged = archive.testzip()
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
        damaged = str(error)
    if damaged is not None:
        raise UserError(f"{url} is damaged ({damaged}); take another copy of it")


def _load_tensors(source: Path | io.BytesIO, url: str, *, mmap: bool = False) -> dict[str, Any]:
    try:
        state = torch.load(source, map_location="cpu", weights_only=True, mmap=mmap)
    except Exception as error:  # damaged bytes lead torch's unpickler to errors of any kind
        reason = (str(error).splitlines() or [type(error).__name__])[0][:120]
        raise UserError(f"{url} is no checkpoint that is safe to load: {reason}") from None
    if not isinstance(state, dict):
        raise UserError(f"{url} is a torch file, but holds no dict")
    return cast(dict[str, Any], state)


def _fetched(url: str, folder: Path) -> Path:
    path, size = folder / "checkpoint.pt", storage.stated_size(url)
    with (
        naming_store_errors(url),
        storage.open_input(url) as source,
        path.open("wb") as target,
        wrap_file(source, size or 0, description=f"fetching {without_secrets(url)}") as shown,
    ):
        shutil.copyfileobj(shown, target, FETCH_BYTES)
    return path
