"""The order of an epoch, a pure function: which item comes at which place of which batch.

    N items that qualify, global batch B, W ranks, n workers a rank:

    order(seed, epoch)   a permutation of 0..N-1 (units, several datasets: replai.stream.order)
    batch b              positions [bB, (b+1)B) of it; the N mod B at the end are dropped
    rank r of W          its contiguous B/W part of each batch
    worker w of n        batches w, w+n, w+2n … counted from where the run (re)starts

So the state of the whole stream is one small dict, whatever W and n are.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from replai.core.errors import UserError
from replai.stream.order import Mix, order


@dataclass(frozen=True, kw_only=True)
class StreamState:
    """Where a stream stands: the next batch to come."""

    seed: int
    epoch: int
    batch: int
    dataset_hash: str
    read_unit: int = 1
    """Of the order, with the seed: `Mix.unit`."""

    def to_dict(self) -> dict[str, Any]:
        """As plain scalars, for a checkpoint."""
        return asdict(self)

    @staticmethod
    def from_dict(fields: dict[str, Any]) -> StreamState:
        """The state that `to_dict` gave."""
        return StreamState(**fields)


@dataclass(frozen=True)
class Place:
    """One place of one batch: `item` is to be read for `slot` of the rank's part of `batch`.

    `position` numbers the places of an epoch over all ranks; draws are named by it.
    `valid` is False only where a probe pads its last batch.
    """

    epoch: int
    batch: int
    slot: int
    position: int
    item: int
    valid: bool = True


def batches_per_epoch(num_items: int, global_batch: int) -> int:
    """Full batches in an epoch. Raises UserError if there is not even one."""
    if num_items < global_batch:
        raise UserError(
            f"the dataset has {num_items} items that qualify, fewer than one global batch "
            f"of {global_batch}; lower batch_size or pack more video"
        )
    return num_items // global_batch


def local_batch_size(global_batch: int, world_size: int) -> int:
    """Places of each batch that fall to one rank. Raises UserError unless W divides B."""
    if global_batch % world_size:
        raise UserError(
            f"global batch {global_batch} is not divisible by {world_size} ranks; "
            "choose another batch_size or number of processes"
        )
    return global_batch // world_size


def training_places(
    state: StreamState,
    *,
    mix: Mix,
    global_batch: int,
    num_epochs: int,
    rank: int = 0,
    world_size: int = 1,
    worker: int = 0,
    num_workers: int = 1,
) -> Iterator[Place]:
    """The places one worker of one rank has to fill, from `state` to the end of `num_epochs`."""
    per_epoch = batches_per_epoch(mix.num_places, global_batch)
    local = local_batch_size(global_batch, world_size)
    first = state.epoch * per_epoch + state.batch
    epoch_in_hand, permutation = -1, np.empty(0, np.int64)
    for step in range(first + worker, num_epochs * per_epoch, num_workers):
        epoch, batch = divmod(step, per_epoch)
        if epoch != epoch_in_hand:
            epoch_in_hand, permutation = epoch, order(state.seed, epoch, mix)
        start = batch * global_batch + rank * local
        for slot in range(local):
            position = start + slot
            yield Place(epoch, batch, slot, position, int(permutation[position]))


def covering_places(
    first_batch: int = 0,
    *,
    num_items: int,
    global_batch: int,
    rank: int = 0,
    world_size: int = 1,
    worker: int = 0,
    num_workers: int = 1,
) -> Iterator[Place]:
    """Every item once, in index order, in equal steps on all ranks; the end padded as not valid.

    Batches before `first_batch` are left out.
    """
    local = local_batch_size(global_batch, world_size)
    num_batches = -(-num_items // global_batch)
    for batch in range(first_batch + worker, num_batches, num_workers):
        for slot in range(local):
            position = batch * global_batch + rank * local + slot
            valid = position < num_items
            yield Place(0, batch, slot, position, position if valid else num_items - 1, valid)


def advanced(state: StreamState, num_batches: int, per_epoch: int) -> StreamState:
    """`state` after `num_batches` more batches of epochs of `per_epoch` batches."""
    epoch, batch = divmod(state.epoch * per_epoch + state.batch + num_batches, per_epoch)
    return replace(state, epoch=epoch, batch=batch)
