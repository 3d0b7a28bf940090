"""The command `sharder`, run in this process or in one of its own."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

COMMAND = (sys.executable, "-m", "sharder.cli")


@dataclass(frozen=True)
class Outcome:
    """What a run of the command left: its exit code and the lines it wrote to stderr."""

    code: int
    lines: tuple[str, ...]

    @property
    def text(self) -> str:
        """All lines."""
        return "\n".join(self.lines)


def in_a_process(*arguments: str | Path) -> Outcome:
    """Runs `sharder` as a user does."""
    done = subprocess.run(
        [*COMMAND, *map(str, arguments)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout == ""
    return Outcome(done.returncode, tuple(done.stderr.splitlines()))


def start(*arguments: str | Path) -> subprocess.Popen[str]:
    """`sharder` under way, as the head of a process group of its own."""
    return subprocess.Popen(
        [*COMMAND, *map(str, arguments)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def files_below(folder: Path) -> dict[str, bytes]:
    """Relative path → bytes, of every file below `folder`; folders end with a slash."""
    return {
        str(path.relative_to(folder)) + ("/" if path.is_dir() else ""): (
            b"" if path.is_dir() else path.read_bytes()
        )
        for path in sorted(folder.rglob("*"))
    }
