"""Sound that comes in blocks of any sizes, recut into blocks of whole spectrogram frames."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray


def fixed_blocks(
    blocks: Iterable[NDArray[np.float32]], frame_samples: int, hop_samples: int, num_frames: int
) -> Iterator[NDArray[np.float32]]:
    """float32 [(num_frames - 1) * hop + frame] each, then what is left if it holds a frame.

    Frame i covers samples [i * hop, i * hop + frame); nothing is padded, and each frame is in one
    block. The blocks depend on the position in the sound alone, not on how it came in. What is no
    number becomes 0.
    """
    size, step = (num_frames - 1) * hop_samples + frame_samples, num_frames * hop_samples
    waiting: list[NDArray[np.float32]] = []
    count = 0
    for block in blocks:
        waiting.append(_finite(np.asarray(block, np.float32)))
        count += len(block)
        if count >= size:
            joined, at = np.concatenate(waiting), 0
            while count - at >= size:
                yield joined[at : at + size]
                at += step
            waiting, count = [joined[at:]], count - at
    if count >= frame_samples:
        yield np.concatenate(waiting)


def _finite(block: NDArray[np.float32]) -> NDArray[np.float32]:
    if np.isfinite(block).all():
        return block
    return np.nan_to_num(block, nan=0.0, posinf=0.0, neginf=0.0)
