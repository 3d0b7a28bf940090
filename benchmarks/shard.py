"""What packing costs: python benchmarks/shard.py --json FILE

Sources are the made-up world at 960x540, 2 Mbit/s, with a camera's grain (clips/sources.py), their
packets repeated to the length that is wanted. Ways take turns; figures are medians over the rounds.

copy_over_cp          `sharder pack --profile copy`, all processes: wall time over a plain copy of
                      the root that it makes. Both begin with cold caches and end when the bytes
                      are on disk
copy_cpu_over_cp      the same in CPU time, with warm caches, the pack by one process
transcode_over_bare   `sharder pack`: CPU time, the job's own included, over sharding/bare.py, which
                      decodes, scales and encodes the same pictures and sound with the same settings
local_speedup_2       wall time of `sharder pack` by one process over that by two, start included
ray_speedup_2         the same with `--engine ray`, where that is there
machine_speedup_2     the most that could be: two bare loops one after the other, over both at once
detect_worker_peak_mb resident memory, at its peak, of a process that detects in a source of 2 h
pack_worker_peak_mb   the same of one that plans that source and packs a shard of it; the larger of
                      both profiles
verify_worker_peak_mb the same of the only one that verifies a root: 20 minutes of 1080p, copied, in
                      segments of about 13 MB
*_cpu_over_video      CPU seconds of packing a second of video; *_core_hours: for Ego4D's 3,670 h
*_1080p               the same of a source of 1920x1080, 8 Mbit/s; of memory, 20 of 20 minutes

`--only` takes some of: copy, copy-cpu, transcode, transcode-1080p, speedup, memory.
"""

from __future__ import annotations

import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[1])
    from benchmarks.sharding.command import main

    main()
