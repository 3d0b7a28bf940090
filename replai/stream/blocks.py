"""Memory of finished batches that a worker shares with the trainer, and uses again and again.

A batch is megabytes, and the first touch of each of its pages costs more than writing it. So a
worker keeps its blocks mapped, and takes one again when the trainer has let go of its last tensor:

    worker     take ─► fill ─► send where it lies ─┐            ┌─► take …
    trainer                                        └─► lease ───┘ with the last tensor

Byte 0 of a block says whether it is taken. Blocks are files without a name: nothing is left of
them, however their processes end, and /dev/shm, small in many containers, has no part in it.
"""

from __future__ import annotations

import math
import mmap
import os
import weakref
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

Arrays = dict[str, NDArray[Any]]
Layout = Mapping[str, tuple[tuple[int, ...], DTypeLike]]
"""Name of each array → its shape and dtype, in the order in which they lie in a block."""

_ALIGNMENT = 64  # of arrays, as torch's own allocator has it; the first of them is the header's
_FREE, _TAKEN = 0, 1


class Block:
    """The worker's end of one piece of memory."""

    def __init__(self, num_bytes: int) -> None:
        self._file = os.memfd_create("batch")
        weakref.finalize(self, os.close, self._file)
        os.ftruncate(self._file, num_bytes)
        self._memory = mmap.mmap(self._file, num_bytes)

    def __len__(self) -> int:
        return len(self._memory)

    @property
    def path(self) -> str:
        """How the trainer opens it, as long as this process lives."""
        return f"/proc/{os.getpid()}/fd/{self._file}"

    @property
    def is_free(self) -> bool:
        """Whether nobody uses what was written into it."""
        return self._memory[0] == _FREE

    def take(self, layout: Layout) -> Arrays:
        """Arrays in it, to be filled; it is not free from now on."""
        self._memory[0] = _TAKEN
        return _arrays(self._memory, layout)


class Blocks:
    """All blocks of a worker: as many as are in use at a time."""

    def __init__(self) -> None:
        self._blocks: list[Block] = []

    def free_block(self, layout: Layout) -> Block:
        """A free block that `layout` fits into."""
        num_bytes = _num_bytes(layout)
        for block in self._blocks:
            if block.is_free and len(block) >= num_bytes:
                return block
        self._blocks.append(Block(num_bytes))
        return self._blocks[-1]


class _Lease(mmap.mmap):
    """The trainer's end: the block is free again when no array refers to this any more."""

    def __init__(self, *_: int) -> None:
        self._holder = os.getpid()

    def __del__(self) -> None:
        if os.getpid() == self._holder:  # not in a process that was forked meanwhile
            self[0] = _FREE


def leased_arrays(path: str, layout: Layout) -> Arrays:
    """What a worker wrote into the block at `path`, in the trainer; no copy.

    The block is taken until the last of the arrays, and of tensors made from them, is gone.
    Raises ConnectionError if the worker is gone.
    """
    try:
        file = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        raise ConnectionResetError(f"the worker of {path} is gone") from None
    try:
        return _arrays(_Lease(file, _num_bytes(layout)), layout)
    finally:
        os.close(file)


def empty_arrays(layout: Layout) -> Arrays:
    """Arrays in memory of this process alone, to be filled."""
    return {name: np.empty(shape, dtype) for name, (shape, dtype) in layout.items()}


def _arrays(memory: mmap.mmap, layout: Layout) -> Arrays:
    return {
        name: np.frombuffer(memory, dtype, math.prod(shape), start).reshape(shape)
        for (name, (shape, dtype)), start in zip(layout.items(), _starts(layout)[:-1], strict=True)
    }


def _starts(layout: Layout) -> list[int]:
    """Where each array starts, and where the last one ends, rounded up."""
    starts = [_ALIGNMENT]
    for shape, dtype in layout.values():
        size = math.prod(shape) * np.dtype(dtype).itemsize
        starts.append(starts[-1] + -(-size // _ALIGNMENT) * _ALIGNMENT)
    return starts


def _num_bytes(layout: Layout) -> int:
    return _starts(layout)[-1]
