"""A command that starts a Ray of its own, says where, and is at work on it when told so.

python -m tests.sharder.ray_holder FOLDER      a line on stdin starts the work, Ctrl-C ends it
"""

from __future__ import annotations

import sys
import time
from functools import partial
from pathlib import Path

import ray

from replai.core.errors import exits_cleanly
from sharder.engine import open_ray


def work_for_long(number: int, folder: Path) -> int:
    """Says in `folder` that it has begun."""
    (folder / f"begun-{number}").touch()
    time.sleep(600.0)
    return number


@exits_cleanly
def main() -> None:
    """Entry point."""
    with open_ray("", workers=2) as engine:
        assert engine.workers == 2
        print(ray.get_runtime_context().gcs_address, flush=True)
        sys.stdin.readline()
        list(engine.map(partial(work_for_long, folder=Path(sys.argv[1])), [0]))


if __name__ == "__main__":
    main()
