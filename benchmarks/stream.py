"""The stream beside bare decode and its peers: python benchmarks/stream.py --json FILE

Ours, webdataset, MosaicML streaming and LitData read the same samples from the same local disk and
the same S3 server on loopback, decode them with the same function in as many processes, and hand
out batches of the same size. README.md beside this file says what each figure means.
"""

from __future__ import annotations

import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[1])
    from benchmarks.contest.command import main

    main()
