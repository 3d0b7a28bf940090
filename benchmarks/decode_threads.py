"""Do N decode workers fight for N cores? python benchmarks/decode_threads.py --json FILE

One process a core, each decoding RepLAI moments as a worker does, all at the same time; with one
thread each, as it is, and with what FFmpeg and torch start if they are left to themselves. The
ways take turns, in an order that turns round; figures are medians over the rounds, for both
profiles of `decode.py`.

off       as it is: decoders, filter graphs and torch on one thread
codecs    decoders with as many threads as FFmpeg likes (thread_count 0, frames and slices)
filters   filter graphs with as many as FFmpeg likes
torch     torch with a thread a core, beside a tensor operation a moment as a collate would have
all       the three together, as a library that sets nothing has it

threads_WAY             most threads that a process had at a time
WAY_over_off_cpu        CPU seconds a moment, over those of `off`
off_over_WAY_rate       moments a second of all processes, `off` over WAY
scaling                 moments a second of all processes of `off` over one process alone, a core
"""

from __future__ import annotations

import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[1])
    from benchmarks.clips.threads import main

    main()
