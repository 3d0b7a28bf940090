"""Memory that was freed is used again, not asked for anew."""

import platform
import subprocess
import sys

import pytest

PIECES = """
import resource
from replai.core.memory import keep_freed_memory
if {keep}:
    keep_freed_memory()
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
def take():
    return [b"x" * 3_000_000 for _ in range(10)]
take()
before = faults()
for _ in range(5):
    take()
print(faults() - before)
"""


def page_faults(keep: bool) -> int:
    """Of taking and freeing 30 MB, five times."""
    done = subprocess.run(
        [sys.executable, "-c", PIECES.format(keep=keep)], capture_output=True, text=True, check=True
    )
    return int(done.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="of another malloc")
def test_what_is_freed_is_taken_again() -> None:
    assert page_faults(keep=True) < page_faults(keep=False) / 10
