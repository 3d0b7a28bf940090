"""How processes that handle much data, piece by piece, keep their memory."""

from __future__ import annotations

import ctypes
from contextlib import suppress

_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8  # of glibc's malloc.h


def keep_freed_memory() -> None:
    """Has malloc, where it is glibc's, keep what is freed for the next piece, in this process and
    those forked from it.

    Handed back, it would have to be touched anew, a page at a time. All threads take it from one
    heap, else each would keep its own.
    """
    with suppress(AttributeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_MMAP_THRESHOLD, 32 << 20)  # the most that it takes
        mallopt(_TRIM_THRESHOLD, 64 << 20)
        mallopt(_ARENA_MAX, 1)
