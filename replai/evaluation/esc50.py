"""ESC-50's folder, as published (Piczak, 2015; github.com/karolpiczak/ESC-50).

FOLDER/meta/esc50.csv     filename, fold, target, category, esc10, src_file, take
FOLDER/audio/1-100032-A-0.wav …     FOLD-SRC_FILE-TAKE-TARGET.wav, 5 s of 44.1 kHz

Recordings that were cut from one original share its `src_file`, and a fold.
"""

from __future__ import annotations

from dataclasses import dataclass

from replai.core import storage
from replai.core.annotations.tables import Row, open_table
from replai.core.errors import UserError

COLUMNS = ("filename", "fold", "target", "category", "src_file")


@dataclass(frozen=True)
class Recording:
    """A row of the list."""

    url: str
    fold: int
    target: int
    """Class id."""
    category: str
    """Name of the class."""
    origin: str
    """The original that it was cut from."""


def read_esc50(folder: str) -> list[Recording]:
    """All recordings, in the order of the list.

    Raises UserError that names file and line for what is missing or no value, and if there are
    fewer than two folds, or one original is in several.
    """
    table = open_table(storage.join(folder, "meta/esc50.csv"))
    table.require(COLUMNS)
    recordings = table.read(lambda row: _recording(row, folder))
    folds = {one.fold for one in recordings}
    if len(folds) < 2:
        raise UserError(f"{table.url} has {len(folds)} folds; at least 2 are needed")
    fold_of = {one.origin: one.fold for one in recordings}
    for one in recordings:
        if one.fold != fold_of[one.origin]:
            raise UserError(
                f"{table.url}: recordings of the original {one.origin!r} are in folds {one.fold} "
                f"and {fold_of[one.origin]}; those of one original belong in one fold, or what is "
                "tested has been trained on"
            )
    return recordings


def _recording(row: Row, folder: str) -> Recording:
    name, target = row.name("filename"), row.whole("target")
    if "/" in name:
        raise ValueError(f"{name!r} is no file name")
    if target < 0:
        raise ValueError(f"target is {target}, which is no class")
    return Recording(
        url=storage.join(folder, "audio", name),
        fold=row.whole("fold"),
        target=target,
        category=row.name("category"),
        origin=row.name("src_file"),
    )
