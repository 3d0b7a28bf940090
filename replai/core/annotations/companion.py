"""Published lists that stand beside an annotation file."""

from __future__ import annotations

import posixpath
from collections.abc import Sequence

from replai.core import storage
from replai.core.errors import RefusedError
from replai.core.progress import console
from replai.core.urls import without_query


def companions(url: str, *lists: Sequence[str]) -> tuple[str | None, ...]:
    """For each of `lists`, the URL of the first of its names that is there; None: none is.

    Names are looked for in the folder of `url`; `../NAME` in the one above. What a store refuses
    is taken as not there, and said in one line.
    """
    path = str(storage.local_path(url)) if storage.is_local(url) else without_query(url)
    folder, refused = posixpath.dirname(path), list[str]()
    found = tuple(
        next((one for name in names if _is_there(one := _beside(folder, name), refused)), None)
        for names in lists
    )
    if refused:
        names = ", ".join(dict.fromkeys(map(posixpath.basename, refused)))
        console.print(f"beside {path} the store refuses {names}: taken as not there")
    return found


def _beside(folder: str, name: str) -> str:
    while name.startswith("../"):
        folder, name = posixpath.dirname(folder), name[3:]
    return storage.join(folder, name)


def _is_there(url: str, refused: list[str]) -> bool:
    try:
        return storage.exists(url)
    except RefusedError:
        refused.append(url)
        return False
