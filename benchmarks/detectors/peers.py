"""The peers' own environment, made on demand: their packages first, behind them ours."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

HOME = Path(__file__).resolve().parents[2]
FOLDER = HOME / ".venv-peers-detect"
REQUIREMENTS = HOME / "benchmarks" / "detect-peers.txt"


def python_with_peers() -> str:
    """Path of a Python that has the peers, at the versions pinned, and all that we have."""
    python, made = FOLDER / "bin" / "python", FOLDER / "made-from.txt"
    wanted = f"{sys.executable} {sys.version}\n{REQUIREMENTS.read_text()}"
    if not made.exists() or made.read_text() != wanted:
        venv.create(FOLDER, clear=True, symlinks=True)
        pip = [sys.executable, "-m", "pip", "--python", str(python), "--quiet"]
        install = ["install", "--no-deps", "--disable-pip-version-check"]
        subprocess.run([*pip, *install, "--requirement", str(REQUIREMENTS)], check=True)
        (packages,) = FOLDER.glob("lib/python*/site-packages")
        packages.joinpath("ours.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
        made.write_text(wanted)
    return str(python)
