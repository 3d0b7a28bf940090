"""An environment beside ours for packages that fight over versions: theirs first, ours behind.

What both need (torch, pyarrow, PyAV …) is not installed twice.

    python -m tools.environment FOLDER REQUIREMENTS     makes it; prints its python
"""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

HOME = Path(__file__).resolve().parents[1]


def python_beside_ours(folder: Path, requirements: Path) -> Path:
    """The python of `folder`, which has the packages of `requirements` (without what these
    require in turn) and all that this python has. Made anew where either has changed."""
    python, made_from = folder / "bin" / "python", folder / "made-from.txt"
    wanted = f"{sys.executable} {sys.version}\n{requirements.read_text()}"
    if not made_from.exists() or made_from.read_text() != wanted:
        venv.create(folder, clear=True, symlinks=True)
        install = ("install", "--quiet", "--disable-pip-version-check", "--no-deps")
        subprocess.run(
            [sys.executable, "-m", "pip", "--python", python, *install, "-r", requirements],
            check=True,
        )
        (packages,) = folder.glob("lib/python*/site-packages")
        (packages / "ours.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
        made_from.write_text(wanted)
    return python


if __name__ == "__main__":
    print(python_beside_ours(Path(sys.argv[1]).absolute(), Path(sys.argv[2])))
