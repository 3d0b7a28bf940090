"""Sound as every browser plays it, and how loud it is."""

from __future__ import annotations

import io
import math
import wave

import numpy as np
from numpy.typing import NDArray


def wav(samples: NDArray[np.float32], rate_hz: int) -> bytes:
    """WAV, 16 bits, of `samples`, float32 [n], mono, in [-1, 1].

    Not AAC or Opus, which would be a quarter of the size: some browsers play one of them, some
    the other, and both start with some milliseconds that are not the sound's own.
    """
    sink = io.BytesIO()
    with wave.open(sink, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate_hz)
        file.writeframes((samples * 32767).round().astype("<i2").tobytes())
    return sink.getvalue()


def loudness_db(power: float) -> float:
    """`power`, the mean square of samples in [-1, 1], in dB below full scale; -inf for silence."""
    return 10 * math.log10(power) if power > 0 else -math.inf
