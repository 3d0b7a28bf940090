"""What the fork server imports and sets for all workers: once, rather than in each of them.

What is imported stays. Frozen, it is not searched for garbage: a search writes to every object,
and a worker would get its own copy of each page that it shares with the others.

Samples come and go, 300 kB each. Memory that has been freed is kept for the next ones: handed back,
it would have to be touched anew, a page at a time. All threads take it from one heap, else each
would keep its own.
"""

from __future__ import annotations

import ctypes
import gc
from contextlib import suppress
from importlib import import_module
from importlib.util import find_spec

S3_MODULES = ("obstore.fsspec", "botocore.session") if find_spec("obstore") else ("s3fs",)
"""Of the clients of S3 the one that is read with unless a run says otherwise."""

_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8  # of glibc's malloc.h


def keep_freed_memory() -> None:
    """Has malloc, where it is glibc's, hand no more back than it must."""
    with suppress(AttributeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_MMAP_THRESHOLD, 32 << 20)  # the most that it takes
        mallopt(_TRIM_THRESHOLD, 64 << 20)
        mallopt(_ARENA_MAX, 1)


keep_freed_memory()
gc.disable()
for module in ("replai.stream.pipeline", *S3_MODULES):
    with suppress(ImportError):  # who needs it will say so
        import_module(module)
gc.freeze()
gc.enable()
