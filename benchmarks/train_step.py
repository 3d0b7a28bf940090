"""The trainer's step and what feeds it: python benchmarks/train_step.py --json FILE

RepLAI's full encoders (8 frames of 112x112, 2 s of sound), 128 moments a batch, on one GPU. Ways to
compute a step take turns on one batch that lies on the device; a turn is 20 steps between two waits
for the device, in which a number is read every 10 steps, as the trainer does. Then the trainer's
way is fed by the stream, from a made-up world packed with the default profile on the local disk.
About 5 minutes with 16 cores. `--device cpu` has the encoders of configs/demo.yaml and 32 moments a
batch, one thread for the trainer and one decode worker a further core; there the clock of steps is
CPU time (of fed ones and of those they stand beside, the wall's). `--size tiny` shows that it runs.

step_over_reference      moments a second of the trainer's step (bfloat16, channels last, fused SGD)
                         over those of the same model in float32 as torch has it (convolutions may
                         use TF32), channels first, with three numbers read and a barrier each step,
                         as the released code does; one rank's barrier is a wait for the device
compiled_over_eager      the same, compiled, over the trainer's step
channels_last_over_first the trainer's step over the same without channels_last
bfloat16_over_float32    the trainer's step over the same in float32
micro_batches_over_whole the same in 4 micro-batches over the trainer's step
recomputed_over_kept     the same with checkpoint_activations over the trainer's step
NAME_gigabytes           memory of a step at its peak beyond what was held before
waits_a_step             times that the host waits for the device within the trainer's step
fed_over_resident        moments a second fed by the stream over those of the batch on the device
fed_wait_share           share of the time in which the device had nothing to do for want of a batch
from_memory_over_resident  fed from decoded batches in pinned memory: the copies alone
decode_cpu_ms            CPU of a moment: read, unpacked, decoded and put into a batch
cores_that_suffice       cores that make as many moments as the trainer's step takes, and one for it

Ratios are taken within a round; figures are medians over the rounds.
"""

from __future__ import annotations

import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[1])
    from benchmarks.steps.command import main

    main()
