"""Moments beside their truth and their peers: python benchmarks/detect.py --json FILE

How well. Sounds of made-up worlds (seeds 0 to 9, 60 s each: `sharder/world`, script and sound) at
0 to 30 dB of impact over background, and of the medium and the hard world, which have talk, music
and what is heard through the wall. A found time counts if it is within 50 ms of a true one that no
other has. All hear the same samples, at 44.1 kHz; `coded_` stands for the same sounds through
AAC at 128 kbit/s, as the world's videos have them.

*_f1_10db, *_f1_medium   F1 over all seeds at that SNR, of that world; without a prefix ours, by
              `sharder detect`'s defaults
  paper         `sharder detect --detector paper`
  released      the released RepLAI code's, from its description: detectors/released.py
  librosa       `librosa.onset.onset_detect` at its defaults, at 22.05 kHz
  librosa_tuned the same with delta=0.2. Ours and this were chosen on seeds 100 and up

How fast. CPU time (all threads) on files of world videos, ways taking turns, medians over rounds:

detect_over_audio_decode   `sharder detect` of a file over bare decode of its sound by PyAV
blocks_over_audio_decode   of that, `audio_blocks` alone, at the file's own rate
detector_over_audio_decode of that, the detector alone, samples in memory
detect_realtime_per_core   seconds of video a CPU second; paper_realtime_per_core likewise

librosa lives in an environment of its own, made on the first run. About 5 minutes on two cores.
"""

from __future__ import annotations

import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[1])
    from benchmarks.detectors.command import main

    main()
