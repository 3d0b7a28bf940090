"""The most work that reading one file may be. What asks for more is damaged, or made to harm.

The limits are far past what a real sample needs and near what a process can bear: a read that
stays inside them ends within about a minute. What they cannot end is a loop inside FFmpeg itself.
"""

from __future__ import annotations

from replai.core.errors import SampleError

LARGEST_PICTURE_PIXELS = 2**26
"""8192 x 8192: twice an 8K frame. Also FFmpeg is told, so that no header makes it allocate more."""
MOST_PIXELS_DECODED = 2**34
"""A read's frames: 4.6 minutes of 1080p at 30 fps, 69 seconds of 4K."""
MOST_PACKETS = 2**18
"""A read's packets, of both streams: about an hour of usual video and sound."""
MOST_SOUND_VALUES = 2**26
"""Decoded samples of one window, of all channels: 23 minutes of mono at 48 kHz."""
AUDIO_RATES_HZ = (1000, 768_000)


def check_picture(width: int, height: int) -> None:
    """Raises SampleError if one frame is too large."""
    if width * height > LARGEST_PICTURE_PIXELS:
        raise SampleError(
            f"a picture of {width}x{height}, more than {LARGEST_PICTURE_PIXELS} pixels"
        )


def check_audio_rate(rate_hz: int) -> int:
    """`rate_hz`. Raises SampleError if no sound has such a rate."""
    least, most = AUDIO_RATES_HZ
    if not least <= rate_hz <= most:
        raise SampleError(f"audio of {rate_hz} Hz, outside {least} to {most} Hz")
    return rate_hz


class Budget:
    """Counts work. Raises SampleError once it is more than `most` of `what`."""

    def __init__(self, most: int, what: str) -> None:
        self._most, self._what, self._spent = most, what, 0

    def spend(self, amount: int) -> None:
        """Counts `amount` more."""
        self._spent += amount
        if self._spent > self._most:
            raise SampleError(f"its views need more than {self._most} {self._what}")
