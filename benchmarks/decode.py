"""Decode beside its floor and its peers: python benchmarks/decode.py --json FILE

CPU time of one RepLAI moment: two clips of 8 frames at 112x112, each with a crop of its own, and
2 s of mono sound at 16 kHz, from one stored segment in memory. Ours is `decode_sample`, as a worker
calls it, with the drawing of the crops. All ways take turns on each moment, in one process, with
one thread, each warmed by the moment before, as a worker's is; a figure is the median over all
moments of (one way / the other) on the same moment.

copy      the copy profile's segments: 960x540, 24 and 30 fps, a keyframe every 60 frames, 2 Mbit/s
stored    `sharder pack`'s defaults: 456x256, 16 fps, a keyframe every 8 frames, x264's
          fastdecode, sound of 16 kHz

*_over_floor          ours over `clips/floor.py`, the packets that must be decoded and no more,
                      opened as quickly as we know how to
*_over_probed_floor   the same, over a floor that opens the file with FFmpeg's usual probe
torchcodec_over_ours, decord_over_ours, decode_all_over_ours
                      `clips/peer_ways.py` and `clips/ways.py`; the worse (smaller) of both profiles
released_over_ours    `clips/released.py` over ours, both on the copy profile's bytes;
                      `_stored`: ours on the stored profile's, as a run by default
four_moments_over_one four moments of a segment in one visit over one; the worse of both profiles

torchcodec needs FFmpeg's shared libraries (Debian's package ffmpeg has them); decord brings its
own. The peers live in an environment of their own, made on the first run.
"""

from __future__ import annotations

import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[1])
    from benchmarks.clips.command import main

    main()
