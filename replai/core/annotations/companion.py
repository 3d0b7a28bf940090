"""Published lists that stand beside an annotation file."""

from __future__ import annotations

import posixpath

from replai.core import storage


def companion(url: str, *names: str, above: bool = False) -> str | None:
    """URL of the first of `names` in the folder of `url`, or in the one `above`; None: none."""
    path = str(storage.local_path(url)) if storage.is_local(url) else storage.without_query(url)
    folder = posixpath.dirname(path)
    folder = posixpath.dirname(folder) if above else folder
    candidates = [storage.join(folder, name) for name in names]
    return next((one for one in candidates if storage.exists(one)), None)
