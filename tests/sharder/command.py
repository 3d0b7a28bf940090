"""The command `sharder`, run in this process or in one of its own."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Sequence
from contextlib import redirect_stderr, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from sharder import cli

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


def in_this_process(*arguments: str | Path) -> Outcome:
    """Runs `sharder` here."""
    said, before = io.StringIO(), sys.argv
    sys.argv = ["sharder", *map(str, arguments)]
    try:
        with redirect_stderr(said), pytest.raises(SystemExit) as left:
            cli.main()
    finally:
        sys.argv = before
    code = left.value.code
    assert isinstance(code, int | None)
    return Outcome(code or 0, tuple(said.getvalue().splitlines()))


def in_a_process(*arguments: str | Path) -> Outcome:
    """Runs `sharder` as a user does."""
    done = subprocess.run(
        [*COMMAND, *map(str, arguments)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout == ""
    return Outcome(done.returncode, tuple(done.stderr.splitlines()))


def start(
    *arguments: str | Path,
    cwd: Path,
    temporary: Path | None = None,
    program: Sequence[str] = COMMAND,
) -> subprocess.Popen[str]:
    """`sharder` (or what a test has made of it) under way in `cwd`, as the head of a process group
    of its own."""
    repository = Path(__file__).parents[2]
    environment = {**os.environ, "PYTHONPATH": str(repository)}
    return subprocess.Popen(
        [*program, *map(str, arguments)],
        cwd=cwd,
        env=environment if temporary is None else {**environment, "TMPDIR": str(temporary)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def processes_of_group(group: int) -> int:
    """How many processes of the group are alive, by Linux's /proc."""
    return _alive(group, 2)


def processes_of_session(session: int) -> int:
    """The same of a session, which may have many groups."""
    return _alive(session, 3)


def _alive(number: int, field: int) -> int:
    count = 0
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            state, *fields = path.read_text().rpartition(")")[2].split()
            count += int(fields[field - 1]) == number and state != "Z"
    return count


def files_below(folder: Path) -> dict[str, bytes]:
    """Relative path → bytes, of every file below `folder`; folders end with a slash."""
    return {
        str(path.relative_to(folder)) + ("/" if path.is_dir() else ""): (
            b"" if path.is_dir() else path.read_bytes()
        )
        for path in sorted(folder.rglob("*"))
    }
