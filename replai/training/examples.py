"""Held-out moments that a run is watched on: what they look and sound like, what it says of them.

OUT/examples.npz     the moments, once: frames, log-mel, names
OUT/examples.jsonl   a row after each validation: p_fwd and p_bwd, similarities of clips and sounds
"""

from __future__ import annotations

import io
import json
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from replai.core import storage
from replai.core.errors import UserError
from replai.models import Encoders
from replai.stream.collate import AVBatch

MOMENTS_NAME, ROWS_NAME = "examples.npz", "examples.jsonl"
NUM_MOMENTS = 16
"""Of the first rank's first held-out batch. They are the same after each epoch."""
NUM_FRAMES = 3
"""Kept of each clip."""
DIGITS = 4
_DAMAGED = (ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error)
"""What is raised over bytes that were not written so."""


@dataclass(frozen=True)
class Examples:
    """What was written of a run's held-out moments, at most NUM_MOMENTS: K of them."""

    clips: dict[str, NDArray[np.uint8]]
    """Name of a video view -> uint8 [K, NUM_FRAMES, H, W, 3]: frames spread over the clip."""
    sounds: NDArray[np.float32]
    """float32 [K, bands, frames]: log-mel, normalised."""
    titles: list[str]
    """Video and time of each."""
    rows: list[dict[str, Any]]
    """After each validation `step`, `epoch`, and values of each moment by their names: [K], or
    [K][K] where moments are compared with each other.
    """


def write_moments(directory: Path, batch: AVBatch, encoders: Encoders) -> None:
    """Writes the first moments of a batch that lies on the host.

    Drops rows of other moments, as there are after a resume on other held-out data, or on ranks
    with a larger or smaller part of the first batch.
    """
    video = {name: view for name, view in batch.views.items() if view.dtype == torch.uint8}
    waveform = next(view for view in batch.views.values() if view.dtype != torch.uint8)
    device = next(encoders.parameters()).device
    with torch.no_grad():
        log_mel = encoders.log_mel(waveform[:NUM_MOMENTS].to(device)).cpu()
    times = zip(batch.video_ids, batch.seconds.tolist(), strict=True)
    titles = [f"{name}, {time:.2f} s" for name, time in times][:NUM_MOMENTS]
    if _titles(directory) != titles:
        (directory / ROWS_NAME).unlink(missing_ok=True)
    arrays: dict[str, Any] = {
        "sounds": log_mel[:, 0].numpy().astype(np.float16),
        "titles": np.array(titles),
        **{f"clip/{name}": _frames(view[:NUM_MOMENTS]) for name, view in video.items()},
    }
    data = io.BytesIO()
    np.savez_compressed(data, **arrays)
    storage.write_local_atomically(directory / MOMENTS_NAME, data.getvalue())


def write_row(directory: Path, step: int, epoch: int, moments: dict[str, Tensor]) -> None:
    """Adds what `ObjectiveOutput.moments` of the first rank says; drops rows of later steps."""
    kept = [row for row in _read_rows(directory / ROWS_NAME) if row["step"] < step]
    values = {
        name: np.asarray(_first_moments(value).double().cpu()).round(DIGITS)
        for name, value in moments.items()
    }
    row = {"step": step, "epoch": epoch, **{name: v.tolist() for name, v in values.items()}}
    text = "".join(json.dumps(one) + "\n" for one in [*kept, row])
    storage.write_local_atomically(directory / ROWS_NAME, text.encode())


def read_examples(directory: Path) -> Examples | None:
    """What a run has written so far; None where it has validated nothing. Raises UserError for
    damaged files.
    """
    path = directory / MOMENTS_NAME
    try:
        rows = _read_rows(directory / ROWS_NAME)
        if not rows or not path.exists():
            return None
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as arrays:
            clips = {name.removeprefix("clip/"): arrays[name] for name in arrays if "clip/" in name}
            sounds, titles = arrays["sounds"].astype(np.float32), arrays["titles"].tolist()
    except _DAMAGED as error:
        raise UserError(
            f"{path} or {ROWS_NAME} beside it is damaged; remove both: the run's next look at "
            "held-out data writes them anew"
        ) from error
    return Examples(clips=clips, sounds=sounds, titles=titles, rows=rows)


def _titles(directory: Path) -> list[str]:
    """Of the moments that the rows are of; none where that cannot be told."""
    try:
        examples = read_examples(directory)
    except UserError:
        return []
    return examples.titles if examples else []


def _frames(view: Tensor) -> NDArray[np.uint8]:
    """uint8 [K, NUM_FRAMES, H, W, 3] of a view uint8 [K, 3, T, H, W]."""
    chosen = np.linspace(0, view.shape[2] - 1, NUM_FRAMES).round().astype(int)
    frames: NDArray[np.uint8] = view[:, :, chosen].permute(0, 2, 3, 4, 1).numpy()
    return frames


def _first_moments(values: Tensor) -> Tensor:
    """The first K of [B], or K x K of [B, N]: the first rank's samples are the first of all."""
    first = values[:NUM_MOMENTS]
    return first[:, : len(first)] if first.ndim > 1 else first


def _read_rows(path: Path) -> list[dict[str, Any]]:
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text().splitlines()]
