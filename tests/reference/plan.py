"""The plan once more, in loops over lists: which item each place of each batch gets."""

Batch = tuple[int, int, list[int]]
"""(epoch, batch, items)."""


def global_batches(orders: list[list[int]], global_batch: int) -> list[Batch]:
    """All full batches of all epochs; epoch e goes through `orders[e]`."""
    batches: list[Batch] = []
    for epoch, order in enumerate(orders):
        number, items = 0, []
        for item in order:
            items.append(item)
            if len(items) == global_batch:
                batches.append((epoch, number, items))
                number, items = number + 1, []
    return batches


def part_of_rank(batch: Batch, rank: int, world_size: int) -> Batch:
    """The rank's neighbouring places of one batch."""
    epoch, number, items = batch
    mine = [item for place, item in enumerate(items) if place * world_size // len(items) == rank]
    return epoch, number, mine


def dealt(batches: list[Batch], worker: int, num_workers: int) -> list[Batch]:
    """What one worker gets when batches are dealt like cards."""
    hands: list[list[Batch]] = [[] for _ in range(num_workers)]
    for count, batch in enumerate(batches):
        hands[count % num_workers].append(batch)
    return hands[worker]
