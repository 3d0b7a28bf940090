"""Saved state: written whole or not at all, read without unpickling anything but tensors."""

from __future__ import annotations

import io
import pickle
import zipfile
from typing import Any, cast

import torch

from replai.core import storage
from replai.core.errors import UserError

FORMAT = "replai-checkpoint-1"


def save_checkpoint(url: str, state: dict[str, Any]) -> None:
    """Writes `state` (tensors, dicts, lists, scalars) to `url` atomically."""
    buffer = io.BytesIO()
    torch.save({"format": FORMAT, **state}, buffer)
    storage.write_bytes(url, buffer.getvalue())


def load_checkpoint(url: str) -> dict[str, Any]:
    """The state saved at `url`, on the CPU. Raises UserError if it is none of ours.

    Files of torch versions before 1.6 (no zip) are refused too: their reader takes garbage.
    """
    data = io.BytesIO(storage.read_bytes(url))
    if not zipfile.is_zipfile(data):
        raise UserError(f"{url} is no torch checkpoint, or is cut off")
    data.seek(0)
    try:
        state = torch.load(data, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, zipfile.BadZipFile) as error:
        reason = str(error).splitlines()[0][:120]
        raise UserError(f"{url} is no checkpoint that is safe to load: {reason}") from None
    if not isinstance(state, dict) or state.get("format") != FORMAT:
        raise UserError(f"{url} is a torch file, but no checkpoint of train.py")
    return cast(dict[str, Any], state)
