"""Memory that a worker fills and a trainer reads; here both are one process."""

import gc
import os
from pathlib import Path

import numpy as np
import pytest
import torch

from replai.stream.blocks import Blocks, empty_arrays, leased_arrays

LAYOUT = {"clip": ((2, 3, 5), np.uint8), "none": ((0, 4), np.int64), "sound": ((2, 7), np.float32)}


def filled(blocks: Blocks, number: int) -> str:
    """Fills a free block with `number`; its path."""
    block = blocks.free_block(LAYOUT)
    for array in block.take(LAYOUT).values():
        array[...] = number
    return block.path


def test_arrays_arrive_as_they_were_written() -> None:
    block = Blocks().free_block(LAYOUT)
    written = block.take(LAYOUT)
    for seed, array in enumerate(written.values()):
        array[...] = np.random.default_rng(seed).integers(0, 200, array.shape)
    arrived = leased_arrays(block.path, LAYOUT)
    assert list(arrived) == list(LAYOUT)
    for name, array in arrived.items():
        assert (array.shape, array.dtype) == LAYOUT[name]
        assert array.ctypes.data % 64 == 0
        assert array.flags.c_contiguous
        np.testing.assert_array_equal(array, written[name])


def test_a_block_is_used_again_when_the_last_tensor_is_gone() -> None:
    blocks = Blocks()
    path = filled(blocks, 1)
    tensors = {name: torch.from_numpy(a) for name, a in leased_arrays(path, LAYOUT).items()}
    kept = tensors.pop("sound").view(-1)[3:4]
    del tensors
    gc.collect()
    assert filled(blocks, 2) != path
    assert kept.item() == 1
    del kept
    gc.collect()
    assert filled(blocks, 3) == path


def test_as_many_blocks_as_batches_are_held() -> None:
    blocks = Blocks()
    held = [leased_arrays(filled(blocks, number), LAYOUT) for number in range(5)]
    for number, arrays in enumerate(held):
        assert (arrays["clip"] == number).all()
        assert (arrays["sound"] == number).all()


def test_a_larger_batch_gets_a_larger_block() -> None:
    blocks = Blocks()
    small = blocks.free_block(LAYOUT)
    large = blocks.free_block({"clip": ((1000,), np.float64)})
    assert (len(small) < len(large), blocks.free_block(LAYOUT)) == (True, small)


def test_a_forked_process_that_lets_go_leaves_the_trainers_batch_alone() -> None:
    blocks = Blocks()
    path = filled(blocks, 1)
    arrays = leased_arrays(path, LAYOUT)
    child = os.fork()
    if child == 0:
        arrays.clear()
        os._exit(0)
    os.waitpid(child, 0)
    assert filled(blocks, 2) != path
    assert (arrays["sound"] == 1).all()


def test_nothing_stays_open() -> None:
    before = list(Path("/proc/self/fd").iterdir())
    blocks = Blocks()
    arrays = leased_arrays(filled(blocks, 1), LAYOUT)
    del blocks
    assert (arrays["clip"] == 1).all()
    del arrays
    gc.collect()
    assert list(Path("/proc/self/fd").iterdir()) == before


def test_a_worker_that_is_gone() -> None:
    block = Blocks().free_block(LAYOUT)
    path = block.path
    del block
    gc.collect()
    with pytest.raises(ConnectionError, match="is gone"):
        leased_arrays(path, LAYOUT)


def test_memory_of_ones_own() -> None:
    assert {n: (a.shape, a.dtype) for n, a in empty_arrays(LAYOUT).items()} == LAYOUT
