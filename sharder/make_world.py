"""`sharder world`: an audible world in a folder, made once."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.progress import Progress

from replai.core import storage
from replai.core.errors import UserError
from sharder.report import console
from sharder.world import WorldSettings, write_world

SETTINGS_NAME = "world.json"


def make_world(settings: WorldSettings, output: str, workers: int) -> None:
    """Writes the world of `settings` to the folder `output`, or leaves it if it is there.

    `world.json`, written last, says from which settings. Raises UserError if the folder holds
    anything else, or is not on this machine.
    """
    if not storage.is_local(output):
        raise UserError(f"{output}: a world is written to a local folder; copy it from there")
    folder = storage.local_path(output)
    if _is_there(settings, folder):
        console.print(f"{folder} is already there, from the same settings; nothing to do")
        return
    with Progress(console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task("world", total=settings.num_videos)
        summary = write_world(
            settings,
            folder,
            workers=workers,
            progress=lambda done, _total: progress.update(task, completed=done),
        )
    _write_settings(settings, folder, finished=True)
    console.print(
        f"{summary.num_train_videos} + {summary.num_test_videos} videos, "
        f"{summary.total_seconds / 3600:.2f} h, {summary.num_train_actions} + "
        f"{summary.num_test_actions} actions (train + test) → {folder}"
    )


def _is_there(settings: WorldSettings, folder: Path) -> bool:
    """Whether `folder` is finished; claims it for these settings if it is new."""
    path = folder / SETTINGS_NAME
    if folder.is_file():
        raise UserError(f"{folder} is a file; give a folder with -o")
    if path.exists():
        known = _known(path)
        # A world of an earlier version names fewer settings; the others are as by default.
        if {**asdict(WorldSettings()), **known["settings"]} != asdict(settings):
            raise UserError(f"{folder} is a world of other settings; give another -o")
        return bool(known["finished"])
    if folder.exists() and any(folder.iterdir()):
        raise UserError(f"{folder} is not empty and no world; give another -o")
    _write_settings(settings, folder, finished=False)
    return False


def _known(path: Path) -> dict[str, Any]:
    """What a world of before says of itself."""
    try:
        known: dict[str, Any] = json.loads(path.read_text())
        _ = {**known["settings"]}, known["finished"]
    except (ValueError, KeyError, TypeError):
        raise UserError(f"{path} is not of `sharder world`; give another -o") from None
    return known


def _write_settings(settings: WorldSettings, folder: Path, *, finished: bool) -> None:
    fields = {"finished": finished, "settings": asdict(settings)}
    data = (json.dumps(fields, indent=1) + "\n").encode()
    storage.write_bytes(str(folder / SETTINGS_NAME), data)
