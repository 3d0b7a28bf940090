"""The peers' own environment, made on demand: their packages first, behind them ours.

torch, PyAV and all else that both need are not installed twice, and are the same for everybody.
"""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

HOME = Path(__file__).resolve().parents[2]
FOLDER = HOME / ".venv-peers"
REQUIREMENTS = HOME / "benchmarks" / "peers.txt"


def python_with_peers() -> str:
    """Path of a Python that has the peers, at the versions of peers.txt, and all that we have."""
    python, made = FOLDER / "bin" / "python", FOLDER / "made-from.txt"
    wanted = f"{sys.executable} {sys.version}\n{REQUIREMENTS.read_text()}"
    if not made.exists() or made.read_text() != wanted:
        venv.create(FOLDER, clear=True, symlinks=True)
        _pip("install", "--no-deps", "--requirement", str(REQUIREMENTS), python=python)
        _site_packages().joinpath("ours.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
        made.write_text(wanted)
    return str(python)


def _site_packages() -> Path:
    (folder,) = FOLDER.glob("lib/python*/site-packages")
    return folder


def _pip(*arguments: str, python: Path) -> None:
    command = [sys.executable, "-m", "pip", "--python", str(python), "--quiet"]
    subprocess.run([*command, "--disable-pip-version-check", *arguments], check=True)
