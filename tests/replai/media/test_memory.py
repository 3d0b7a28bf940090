"""Memory stays flat from decode to decode, over good files and damaged ones."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tools.environment import HOME

DECODES = 2000
MOST_MEGABYTES = 5.0
"""Over the last half of them: one forgotten clip of the smallest in each would be 9 MB."""


def test_memory_stays_flat(tmp_path: Path) -> None:
    """In a process of its own: the tests' own one holds more, and less again."""
    path = tmp_path / "memory.json"
    script = [sys.executable, "benchmarks/decode_memory.py"]
    command = [*script, "--json", str(path), "--decodes", str(DECODES)]
    subprocess.run(
        command, cwd=HOME, env={"PYTHONPATH": str(HOME), "PATH": ""}, check=True,
        capture_output=True, timeout=300,
    )  # fmt: skip
    figures = json.loads(path.read_text())["figures"]
    assert figures["refused"] > 10
    assert figures["growth_megabytes"] < MOST_MEGABYTES
