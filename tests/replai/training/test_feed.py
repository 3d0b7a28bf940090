"""What a feed asks of its source, and when."""

from collections.abc import Iterator

import pytest
import torch

from replai.stream.collate import AVBatch
from replai.training.feed import Feed
from tests.replai.objectives.small import small_batch, small_rows

ON_GPU = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")


def batch(seed: int, moments: int = 4) -> AVBatch:
    rows = small_rows(moments, seed)
    return AVBatch(
        epoch=1, batch=seed, views=small_batch(moments, seed), keys=("",) * moments,
        video_ids=("",) * moments, seconds=torch.zeros(moments), labels=torch.zeros(moments, 2),
        positions=rows.positions, items=rows.items, audio_coverage=torch.ones(moments),
        valid=torch.ones(moments, dtype=torch.bool),
    )  # fmt: skip


def test_the_next_batch_is_fetched_when_it_is_asked_for() -> None:
    """A checkpoint after a step says that the next batch is to come: it must not be gone yet."""
    fetched: list[int] = []

    def source() -> Iterator[AVBatch]:
        for number in range(3):
            fetched.append(number)
            yield batch(number)

    feed = Feed(torch.device("cpu"))
    for number, placed in enumerate(feed(source())):
        assert fetched == list(range(number + 1))
        assert placed.batch.batch == number
        assert placed.rows.epoch == 1
        assert torch.equal(placed.rows.items, placed.batch.items)
    assert feed.idle_seconds() > 0


@ON_GPU
def test_a_gpu_gets_the_same_bytes_without_a_wait_of_the_host() -> None:
    device = torch.device("cuda")
    feed, batches = Feed(device), [batch(seed) for seed in range(4)]
    pinned = [AVBatch.pin_memory(one) for one in batches]
    torch.cuda.set_sync_debug_mode("error")
    try:
        placed = list(feed(pinned))
    finally:
        torch.cuda.set_sync_debug_mode("default")
    for one, there in zip(batches, placed, strict=True):
        for name, view in one.views.items():
            assert torch.equal(there.views[name].cpu(), view)
    assert feed.idle_seconds() >= 0
