import multiprocessing
import shutil
import signal
import time
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import fsspec
import pytest
import torch

from replai.core import storage
from replai.core.errors import PeerLostError, UserError
from replai.core.index import open_index
from replai.core.mixture import WeightedRoot
from replai.stream.loader import AVStream, StreamConfig
from replai.stream.order import one_dataset, order
from replai.stream.plan import StreamState
from replai.stream.quarantine import BadSampleConfig
from replai.stream.sampling import At, SamplingConfig
from replai.stream.worker import fork_server
from tests.replai.stream.small import VIEWS
from tests.replai.stream.streams import (
    BATCH,
    EPOCHS,
    READ_UNIT,
    assert_equal,
    flat,
    gathered,
    make_stream,
)

# torch warns where there are more workers than cores
pytestmark = pytest.mark.filterwarnings("ignore:This DataLoader will create")


def all_ranks(
    root: Path | str | list[WeightedRoot], world_size: int, **settings: Any
) -> list[AVStream]:
    return [make_stream(root, share=(rank, world_size), **settings) for rank in range(world_size)]


@pytest.fixture(scope="module")
def expected(small_root: Path) -> list[dict[str, Any]]:
    """Both epochs, as one rank without workers reads them."""
    return list(gathered([make_stream(small_root)]))


def test_the_small_dataset_is_large_enough(expected: list[dict[str, Any]]) -> None:
    per_epoch = len(expected) // EPOCHS
    assert per_epoch >= 3
    assert [(batch["epoch"], batch["batch"]) for batch in expected] == [
        (epoch, batch) for epoch in range(EPOCHS) for batch in range(per_epoch)
    ]


def test_batches_are_as_documented(small_root: Path) -> None:
    stream = make_stream(small_root)
    batch = next(iter(stream))
    shapes = {name: (tuple(view.shape), view.dtype) for name, view in batch.views.items()}
    assert shapes == {
        "before": ((BATCH, 3, 8, 32, 32), torch.uint8),
        "after": ((BATCH, 3, 4, 32, 32), torch.uint8),
        "audio": ((BATCH, 1, 16000), torch.float32),
    }
    assert batch.views["before"].is_contiguous()
    assert batch.views["audio"].abs().max() <= 1
    assert len(batch) == len(batch.keys) == len(batch.video_ids) == BATCH
    for values, dtype, shape in (
        (batch.seconds, torch.float64, (BATCH,)),
        (batch.labels, torch.int64, (BATCH, 2)),
        (batch.positions, torch.int64, (BATCH,)),
        (batch.items, torch.int64, (BATCH,)),
        (batch.audio_coverage, torch.float32, (BATCH,)),
        (batch.valid, torch.bool, (BATCH,)),
    ):
        assert (values.dtype, tuple(values.shape)) == (dtype, shape)
    assert batch.positions.tolist() == [0, 1, 2, 3]
    assert (batch.labels == -1).all()
    assert batch.valid.all()
    assert (batch.audio_coverage > 0.9).all()


def test_an_item_has_one_number_in_every_epoch(expected: list[dict[str, Any]]) -> None:
    pairs = {
        (key, item)
        for batch in expected
        for key, item in zip(batch["keys"], batch["items"].tolist(), strict=True)
    }
    assert len(pairs) == len({key for key, _ in pairs}) == len({item for _, item in pairs})
    assert len(pairs) < sum(len(batch["keys"]) for batch in expected)


def test_items_come_in_the_order_of_the_plan(
    small_root: Path, expected: list[dict[str, Any]]
) -> None:
    index = open_index(str(small_root))
    keys = index.column("key")[index.column("num_moments") >= 1]
    mix = replace(one_dataset(len(keys)), unit=READ_UNIT)
    for epoch in range(EPOCHS):
        came = [key for batch in expected if batch["epoch"] == epoch for key in batch["keys"]]
        assert came == keys[order(5, epoch, mix)][: len(came)].tolist()
        assert len(keys) - len(came) < BATCH


def test_batches_that_are_kept_stay_as_they_came(
    small_root: Path, expected: list[dict[str, Any]]
) -> None:
    assert_equal(map(flat, list(make_stream(small_root, workers=1))), expected)


def test_one_stream_goes_on_where_its_reader_stopped(
    small_root: Path, expected: list[dict[str, Any]]
) -> None:
    stream = make_stream(small_root)
    batches = [*islice(stream, 2), *islice(stream, 1), *stream]
    assert_equal((flat(batch) for batch in batches), expected)
    assert list(stream) == []
    assert stream.state.epoch == EPOCHS


def test_state_ignores_what_workers_have_prepared(small_root: Path) -> None:
    stream = make_stream(small_root, workers=2)
    reading = iter(stream)
    assert stream.state.batch == 0
    for number in (1, 2):
        next(reading)
        assert stream.state.batch == number
    reading.close()
    assert multiprocessing.active_children() == []


def test_another_seed_is_another_order(small_root: Path, expected: list[dict[str, Any]]) -> None:
    batch = next(iter(make_stream(small_root, seed=7)))
    assert batch.keys != expected[0]["keys"]


def test_load_state_refuses_another_dataset_and_another_order(small_root: Path) -> None:
    stream = make_stream(small_root)
    state = stream.state
    other = StreamState.from_dict({**state.to_dict(), "dataset_hash": "f" * 64})
    with pytest.raises(UserError, match=f"another dataset than {small_root} .*ffffffffffff there"):
        stream.load_state(other)
    with pytest.raises(UserError, match="the checkpoint has seed 6, the config 5"):
        stream.load_state(StreamState.from_dict({**state.to_dict(), "seed": 6}))
    before = {name: value for name, value in state.to_dict().items() if name != "read_unit"}
    with pytest.raises(UserError, match=r"units of 1, .* go on with data.stream.read_unit=1$"):
        stream.load_state(StreamState.from_dict(before))
    assert stream.state == state


def test_two_moments_a_visit(small_root: Path) -> None:
    sampling = SamplingConfig(per_visit=2)
    whole = list(gathered([make_stream(small_root, sampling=sampling)]))
    assert_equal(gathered(all_ranks(small_root, 2, sampling=sampling)), whole)
    for batch in whole:
        assert len(batch["keys"]) == BATCH
        assert batch["keys"][::2] == batch["keys"][1::2]
        assert torch.equal(batch["positions"][::2], batch["positions"][1::2])
        assert (batch["seconds"][::2] < batch["seconds"][1::2]).all()
        assert not torch.equal(batch["audio"][::2], batch["audio"][1::2])


@pytest.mark.parametrize(
    ("world_size", "workers", "batch_size"), [(1, 0, 4), (1, 2, 5), (2, 0, 10)]
)
def test_covering_gives_each_action_once(
    small_root: Path, world_size: int, workers: int, batch_size: int
) -> None:
    settings = {
        "num_epochs": None, "batch_size": batch_size, "augment": False, "views": VIEWS[:1],
        "sampling": SamplingConfig(at=At.actions, per_visit=2),
    }  # fmt: skip
    index = open_index(str(small_root))
    batches = list(gathered(all_ranks(small_root, world_size, workers=workers, **settings)))
    assert all(len(batch["keys"]) == 2 * batch_size for batch in batches)
    rows = [
        (key, position, *labels)
        for batch in batches
        for key, position, labels, valid in zip(
            batch["keys"], batch["positions"].tolist(), batch["labels"].tolist(), batch["valid"],
            strict=True,
        )
        if valid
    ]  # fmt: skip
    assert rows[::2] == rows[1::2]
    assert [position for _, position, *_ in rows[::2]] == list(range(index.header.num_actions))
    keys = zip(index.column("key"), index.column("num_actions"), strict=True)
    assert [key for key, *_ in rows[::2]] == [key for key, count in keys for _ in range(count)]
    assert all(verb >= 0 and noun >= 0 for _, _, verb, noun in rows)
    assert len(batches) == -(-index.header.num_actions // batch_size)


def test_covering_goes_on_where_its_reader_stopped_and_can_start_again(small_root: Path) -> None:
    stream = make_stream(small_root, num_epochs=None, augment=False)
    first = [flat(batch) for batch in islice(stream, 2)]
    rest = [flat(batch) for batch in stream]
    assert [batch["batch"] for batch in first + rest] == list(range(stream.batches_per_epoch))
    assert_equal((flat(batch) for batch in islice(stream, 2)), first)


@pytest.mark.parametrize("kind", ["relative", "file", "memory"])
def test_the_same_batches_from_any_root(
    small_root: Path,
    expected: list[dict[str, Any]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
) -> None:
    folder = tmp_path / "Küche 50% #1"
    shutil.copytree(small_root, folder)
    monkeypatch.chdir(tmp_path)
    root = {"relative": folder.name, "file": f"file://{folder}", "memory": "memory://küche 1"}[kind]
    if kind == "memory":
        fsspec.filesystem("memory").put(f"{folder}/", "/küche 1", recursive=True)
        shutil.rmtree(folder)
    streamed = (flat(batch) for batch in islice(make_stream(root), 2))
    assert_equal(streamed, expected[:2])


def damage(root: Path, *keys: str) -> None:
    """Changes one byte in the middle of the named samples, or of each sample."""
    index = open_index(str(root))
    for row in index.table.to_pylist():
        if keys and row["key"] not in keys:
            continue
        path = storage.local_path(index.shard_urls[row["shard"]])
        data = bytearray(path.read_bytes())
        data[row["offset"] + row["size"] // 2] ^= 1
        path.write_bytes(data)


@pytest.mark.parametrize("workers", [0, 2])
def test_trouble_arrives_as_one_line(small_root: Path, tmp_path: Path, workers: int) -> None:
    root = tmp_path / "root"
    shutil.copytree(small_root, root)
    damage(root)
    in_a_row = (
        rf"^3 bad samples in a row, the first .*: sample .* in {root}/shards/.*crc32; "
        r"mend .*max_in_a_row$"
    )
    with pytest.raises(UserError, match=in_a_row) as caught:
        list(make_stream(root, workers=workers, bad_samples=BadSampleConfig(max_in_a_row=3)))
    assert "\n" not in str(caught.value)
    assert multiprocessing.active_children() == []
    for shard in (root / "shards").iterdir():
        shard.unlink()
    with pytest.raises(UserError, match=f"no such file.*{root}/shards/train-") as missing:
        list(make_stream(root, workers=workers))
    assert "\n" not in str(missing.value)


@pytest.mark.parametrize("workers", [0, 2])
def test_good_batches_come_before_trouble(
    small_root: Path, expected: list[dict[str, Any]], tmp_path: Path, workers: int
) -> None:
    root = tmp_path / "root"
    shutil.copytree(small_root, root)
    victim = expected[2]["keys"][1]
    damage(root, victim)
    strict = BadSampleConfig(max_in_a_row=1)
    stream = make_stream(root, workers=workers, bad_samples=strict)
    came: list[dict[str, Any]] = []
    with pytest.raises(UserError, match=f"1 bad samples in a row, the first {victim}: .*crc32"):
        came.extend(flat(batch) for batch in stream)
    assert_equal(came, expected[:2])
    assert stream.state.batch == 2


def test_more_bad_samples_than_the_budget(
    small_root: Path, expected: list[dict[str, Any]], tmp_path: Path
) -> None:
    root = tmp_path / "root"
    shutil.copytree(small_root, root)
    damage(root, expected[0]["keys"][3], expected[1]["keys"][0])
    stream = make_stream(root, quarantine_path=tmp_path / "out" / "bad.jsonl")
    came: list[dict[str, Any]] = []
    with pytest.raises(UserError, match=r"more than 1 bad samples in epoch 0 .*max_share"):
        came.extend(flat(batch) for batch in stream)
    assert [batch["batch"] for batch in came] == [0]
    assert stream.state.batch == len(came)
    lines = (tmp_path / "out" / "bad.jsonl").read_text().splitlines()
    assert len(lines) == stream.quarantine.count >= 2


def bug(*_: object, **__: object) -> None:
    raise NameError("a bug")


def test_bugs_stay_bugs(small_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("replai.stream.decode.read_views", bug)
    with pytest.raises(NameError, match="a bug"):
        list(make_stream(small_root))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"batch_size": 1000}, "fewer than one global batch of 1000"),
        ({"share": (0, 3)}, "global batch 4 is not divisible by 3 ranks"),
        ({"sampling": SamplingConfig(per_visit=3)}, "batch_size 4 is not divisible by per_visit 3"),
    ],
)
def test_what_cannot_be_served(small_root: Path, change: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        make_stream(small_root, **change)


@pytest.mark.parametrize(
    "change",
    [
        {"num_workers": -1},
        {"megabytes_in_flight": -0.1},
        {"megabytes_in_flight": float("nan")},
        {"megabytes_in_flight": float("inf")},
        {"prefetch_batches": 0},
        {"read_unit": 0},
    ],
)
def test_configs_that_make_no_sense(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(change))):
        StreamConfig(**change)


def test_a_mixture_is_exact_too(small_root: Path, tmp_path: Path) -> None:
    twin = str(shutil.copytree(small_root, tmp_path / "twin"))
    roots = [WeightedRoot(root=str(small_root), weight=3.0), WeightedRoot(root=twin, weight=1.0)]
    whole = list(gathered([make_stream(roots)]))
    first, (again,) = make_stream(roots), all_ranks(roots, 1, workers=1)
    stop = len(whole) // 2 + 1
    for batch in islice(first, stop):
        assert batch.valid.all()
    again.load_state(first.state)
    assert_equal(gathered([again]), whole[stop:])
    ranks = all_ranks(roots, 2)
    for stream in ranks:
        stream.load_state(first.state)
    assert_equal(gathered([*ranks]), whole[stop:])
    items = open_index(str(small_root)).column("num_moments") >= 1
    owned = ranks[0].mix.quotas
    assert ranks[0].mix.sizes == (items.sum(), items.sum())
    assert owned == (round(1.5 * items.sum()), 2 * items.sum() - round(1.5 * items.sum()))
    assert ranks[0].own_epochs() == pytest.approx(
        {str(small_root): EPOCHS * owned[0] / items.sum(), twin: EPOCHS * owned[1] / items.sum()}
    )


def test_labels_of_a_mixture_are_refused(small_root: Path, tmp_path: Path) -> None:
    twin = str(shutil.copytree(small_root, tmp_path / "twin"))
    roots = [WeightedRoot(root=str(small_root)), WeightedRoot(root=twin)]
    with pytest.raises(UserError, match="class ids"):
        make_stream(roots, sampling=SamplingConfig(at=At.actions))


def test_a_lost_worker_takes_along_what_would_not_end(small_root: Path) -> None:
    """As another worker does that waits for a lock which the lost one held."""
    deaf = fork_server().Process(target=time.sleep, args=(1000.0,))  # of SIGTERM, as workers are
    batches = iter(make_stream(small_root, workers=1, num_epochs=1000))
    try:
        next(batches)
        (worker,) = multiprocessing.active_children()
        deaf.start()
        worker.kill()
        with pytest.raises(PeerLostError, match="a decode process of rank 0 is gone"):
            for _ in batches:
                pass
        deaf.join(60.0)
        assert deaf.exitcode == -signal.SIGKILL
    finally:
        deaf.kill()


def test_actions_are_shuffled_one_by_one(small_root: Path) -> None:
    """Neighbours among them are of one segment, which would fill batches with its like."""
    stream = make_stream(small_root, sampling=SamplingConfig(at=At.actions))
    assert stream.mix.unit == stream.state.read_unit == 1
    assert make_stream(small_root).mix.unit == READ_UNIT
