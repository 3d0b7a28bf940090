"""A few hundred damaged files: each gives views of the right kind or SampleError, nothing else.

They are decoded in a process of their own, so that a crash of native code, or a hang, is seen.
"""

from __future__ import annotations

import subprocess
import sys
from collections import Counter

NUM_FILES = 240
# Found by longer runs: a stream that comes up in mid-file (388, 860), sound whose channels change
# under the sharder's hands (6883).
FURTHER = ("388", "860", "6883")
MOST_SECONDS = 120.0


def test_damaged_files_give_views_or_a_sample_error() -> None:
    command = [sys.executable, "-m", "tests.replai.media.fuzz", "0", str(NUM_FILES), *FURTHER]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=MOST_SECONDS)
    except subprocess.TimeoutExpired as hung:
        so_far = hung.stdout or b""
        raise AssertionError(f"hangs at damaged file {so_far.decode().split()[-1:]}") from None
    said = [line.split() for line in done.stdout.splitlines()]
    assert done.returncode == 0, f"damaged file {said[-1:]}: {done.stderr[-2000:]}"
    outcomes = Counter(outcome for _, outcome, _ in said)
    assert outcomes.total() == NUM_FILES + len(FURTHER)
    assert min(outcomes["views"], outcomes["refused"]) > NUM_FILES / 5
