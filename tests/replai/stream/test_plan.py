import itertools
import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replai.core.errors import UserError
from replai.stream.order import Mix, one_dataset, order
from replai.stream.plan import (
    Place,
    StreamState,
    advanced,
    batches_per_epoch,
    covering_places,
    local_batch_size,
    training_places,
)
from tests.reference.plan import Batch, dealt, global_batches, part_of_rank


@dataclass(frozen=True, kw_only=True)
class World:
    """A run and two ways to spread it over ranks and workers."""

    seed: int
    mix: Mix
    global_batch: int
    num_epochs: int
    spreads: tuple[tuple[int, int], tuple[int, int]]
    """(ranks, workers a rank), before and after a restart."""
    stop: int
    """Batches that were delivered before the restart."""

    @property
    def per_epoch(self) -> int:
        return self.mix.num_places // self.global_batch

    @property
    def oracle(self) -> list[Batch]:
        orders = [order(self.seed, epoch, self.mix).tolist() for epoch in range(self.num_epochs)]
        return global_batches(orders, self.global_batch)

    def state(self, num_batches: int) -> StreamState:
        start = StreamState(seed=self.seed, epoch=0, batch=0, dataset_hash="h")
        return advanced(start, num_batches, self.per_epoch)

    def hand(
        self, state: StreamState, spread: tuple[int, int], rank: int, worker: int
    ) -> list[list[Place]]:
        """The batches of one worker of one rank."""
        return grouped(
            training_places(
                state,
                mix=self.mix,
                global_batch=self.global_batch,
                num_epochs=self.num_epochs,
                rank=rank,
                world_size=spread[0],
                worker=worker,
                num_workers=spread[1],
            )
        )

    def of_rank(self, state: StreamState, spread: tuple[int, int], rank: int) -> list[list[Place]]:
        """What a loader delivers that asks its workers in turn."""
        hands = [self.hand(state, spread, rank, worker) for worker in range(spread[1])]
        rounds = itertools.zip_longest(*hands)
        return [batch for one_round in rounds for batch in one_round if batch is not None]


def mixes(num_places: int, draw: st.DrawFn) -> Mix:
    """One dataset, or two with places of their own."""
    first, unit = draw(st.integers(1, num_places)), draw(st.integers(1, 4))
    if first == num_places:
        return replace(one_dataset(num_places), unit=unit)
    sizes = draw(st.tuples(*[st.integers(1, 2 * num_places)] * 2))
    return Mix(sizes, (first, num_places - first), unit)


@st.composite
def worlds(draw: st.DrawFn) -> World:
    spreads = draw(st.tuples(*[st.tuples(st.integers(1, 4), st.integers(1, 4))] * 2))
    global_batch = math.lcm(spreads[0][0], spreads[1][0]) * draw(st.integers(1, 3))
    num_epochs = draw(st.integers(1, 3))
    num_places = draw(st.integers(global_batch, 5 * global_batch + 4))
    return World(
        seed=draw(st.integers(0, 2**40)),
        mix=mixes(num_places, draw),
        global_batch=global_batch,
        num_epochs=num_epochs,
        spreads=spreads,
        stop=draw(st.integers(0, num_places // global_batch * num_epochs)),
    )


def grouped(places: Iterable[Place]) -> list[list[Place]]:
    return [
        list(batch)
        for _, batch in itertools.groupby(places, lambda place: (place.epoch, place.batch))
    ]


def as_batch(places: list[Place]) -> Batch:
    return places[0].epoch, places[0].batch, [place.item for place in places]


def gathered(ranks: list[list[list[Place]]]) -> list[Batch]:
    """Global batches: the ranks' parts one after the other."""
    assert len({len(rank) for rank in ranks}) == 1, "ranks take unequal steps"
    return [as_batch([p for part in parts for p in part]) for parts in zip(*ranks, strict=True)]


@given(worlds())
def test_global_batches_are_the_same_on_any_ranks_and_workers(world: World) -> None:
    for spread in world.spreads:
        ranks = [world.of_rank(world.state(0), spread, rank) for rank in range(spread[0])]
        assert gathered(ranks) == world.oracle


@given(worlds())
def test_each_worker_gets_its_part(world: World) -> None:
    spread, rest = world.spreads[0], world.oracle[world.stop :]
    for rank, worker in itertools.product(range(spread[0]), range(spread[1])):
        hand = world.hand(world.state(world.stop), spread, rank, worker)
        expected = [
            part_of_rank(batch, rank, spread[0]) for batch in dealt(rest, worker, spread[1])
        ]
        assert [as_batch(places) for places in hand] == expected


@given(worlds())
def test_resume_on_other_ranks_and_workers_continues_with_the_next_batch(world: World) -> None:
    before, after = world.spreads
    first = [world.of_rank(world.state(0), before, rank) for rank in range(before[0])]
    state = world.state(world.stop)
    second = [world.of_rank(state, after, rank) for rank in range(after[0])]
    assert gathered(first)[: world.stop] + gathered(second) == world.oracle


@given(worlds())
def test_an_epoch_has_each_item_at_most_once_and_each_place_exactly_once(world: World) -> None:
    size = world.spreads[0][0]
    places = [
        place
        for rank in range(size)
        for batch in world.of_rank(world.state(0), world.spreads[0], rank)
        for place in batch
    ]
    for epoch in range(world.num_epochs):
        mine = [place for place in places if place.epoch == epoch]
        used = world.per_epoch * world.global_batch
        assert sorted(place.position for place in mine) == list(range(used))
        assert all(0 <= place.item < sum(world.mix.sizes) and place.valid for place in mine)
        if len(world.mix.sizes) == 1:
            assert len({place.item for place in mine}) == used
    for place in places:
        local = world.global_batch // size
        assert place.slot == place.position % local
        assert place.batch == place.position // world.global_batch


def test_each_epoch_drops_another_tail() -> None:
    world = World(
        seed=0,
        mix=one_dataset(103),
        global_batch=10,
        num_epochs=6,
        spreads=((1, 1), (1, 1)),
        stop=0,
    )
    dropped = [
        frozenset(range(103)) - {i for epoch, _, items in world.oracle if epoch == e for i in items}
        for e in range(6)
    ]
    assert {len(tail) for tail in dropped} == {3}
    assert len(set(dropped)) == 6


def covering(num_items: int, global_batch: int, spread: tuple[int, int], first: int) -> list[Place]:
    """All places of all ranks and workers."""
    return [
        place
        for rank, worker in itertools.product(range(spread[0]), range(spread[1]))
        for place in covering_places(
            first,
            num_items=num_items,
            global_batch=global_batch,
            rank=rank,
            world_size=spread[0],
            worker=worker,
            num_workers=spread[1],
        )
    ]


@given(
    st.integers(1, 60), st.integers(1, 4), st.tuples(st.integers(1, 4), st.integers(1, 4)),
    st.integers(0, 70),
)  # fmt: skip
def test_covering_gives_each_item_once(
    num_items: int, local: int, spread: tuple[int, int], first: int
) -> None:
    global_batch = local * spread[0]
    places = sorted(covering(num_items, global_batch, spread, first), key=lambda p: p.position)
    num_batches = -(-num_items // global_batch)
    expected = range(min(first, num_batches) * global_batch, num_batches * global_batch)
    assert [place.position for place in places] == list(expected)
    for place in places:
        assert place.valid == (place.position < num_items)
        assert place.item == min(place.position, num_items - 1)
        assert (place.batch, place.slot) == (
            place.position // global_batch, place.position % local
        )  # fmt: skip


@given(st.integers(0, 99), st.integers(0, 99), st.integers(1, 9))
def test_state_counts_like_a_clock(one: int, other: int, per_epoch: int) -> None:
    start = StreamState(seed=3, epoch=1, batch=0, dataset_hash="h")
    state = advanced(start, one, per_epoch)
    assert 0 <= state.batch < per_epoch
    assert (state.epoch - 1) * per_epoch + state.batch == one
    assert advanced(state, other, per_epoch) == advanced(start, one + other, per_epoch)
    assert StreamState.from_dict(state.to_dict()) == state


def test_too_few_items() -> None:
    assert batches_per_epoch(9, 4) == 2
    assert batches_per_epoch(4, 4) == 1
    with pytest.raises(UserError, match=r"3 items that qualify.* global batch of 4"):
        batches_per_epoch(3, 4)


def test_ranks_that_do_not_divide_the_batch() -> None:
    assert local_batch_size(12, 3) == 4
    with pytest.raises(UserError, match="global batch 12 is not divisible by 5 ranks"):
        local_batch_size(12, 5)
