import pickle
import shutil
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from replai.core.errors import UserError
from replai.core.index import open_index
from replai.stream.decode import DecodeConfig, Decoded
from replai.stream.fetch import Failed
from replai.stream.plan import Place
from replai.stream.quarantine import BadSampleConfig
from replai.stream.reader import RangeReader
from replai.stream.retry import RetryConfig
from replai.stream.sampling import SamplingConfig
from replai.stream.spares import fill_with_blanks, fill_with_spares, spare_item
from tests.replai.stream.small import CROP, VIEWS, make_index
from tests.replai.stream.streams import BATCH, assert_equal, flat, gathered, make_stream
from tests.replai.stream.test_loader import all_ranks, damage

pytestmark = pytest.mark.filterwarnings("ignore:This DataLoader will create")

PLACE = Place(epoch=2, batch=1, slot=0, position=4, item=3)
READER = RangeReader(make_index([{"key": f"k{i}"} for i in range(10)]), RetryConfig())
ALL = BadSampleConfig(max_share=1.0)


def visit(place: Place) -> Decoded:
    return Decoded(place, f"k{place.item}", "v", np.zeros(1), {}, 1.0, (-1, -1))


def test_a_spare_is_a_function_of_seed_epoch_position_and_attempt() -> None:
    draw = partial(spare_item, 5, PLACE, 1, 10**9)
    elsewhere = replace(PLACE, batch=9, slot=3, item=8)
    assert draw() == draw() == spare_item(5, elsewhere, 1, 10**9)
    others = [
        spare_item(6, PLACE, 1, 10**9),
        spare_item(5, PLACE, 2, 10**9),
        spare_item(5, replace(PLACE, epoch=3), 1, 10**9),
        spare_item(5, replace(PLACE, position=5), 1, 10**9),
    ]
    assert len({draw(), *others}) == 5
    few = [spare_item(5, replace(PLACE, position=p), 1, 3) for p in range(60)]
    assert set(few) == {0, 1, 2}


def test_spares_are_tried_until_one_is_good() -> None:
    tried: list[Place] = []

    def load(place: Place) -> Decoded | Failed:
        tried.append(place)
        return Failed(place, place.item, "torn") if len(tried) < 3 else visit(place)

    visits = iter([visit(PLACE), Failed(PLACE, 3, "cut"), visit(PLACE)])
    first, second, third = fill_with_spares(visits, load, READER, 10, 5, most_in_a_row=4)
    assert first.bad == third.bad == ()
    assert [p.item for p in tried] == [spare_item(5, PLACE, n, 10) for n in (1, 2, 3)]
    assert all(replace(p, item=PLACE.item) == PLACE for p in tried)
    assert second.visit.place == tried[-1]
    assert [(b.position, b.key, b.reason) for b in second.bad] == [
        (4, "k3", "cut"), (4, f"k{tried[0].item}", "torn"), (4, f"k{tried[1].item}", "torn"),
    ]  # fmt: skip


def test_a_place_without_end_of_bad_spares() -> None:
    def load(place: Place) -> Failed:
        return Failed(place, place.item, "torn")

    filling = fill_with_spares(iter([Failed(PLACE, 3, "cut")]), load, READER, 10, 5, 3)
    with pytest.raises(UserError, match="3 bad samples in a row, the first k3: cut"):
        next(filling)


@pytest.mark.parametrize("k", [1, 2])
def test_blanks(k: int) -> None:
    config = DecodeConfig(
        views=VIEWS, sampling=SamplingConfig(per_visit=k), crop=CROP, augment=False, seed=0
    )
    padding = replace(PLACE, valid=False)
    failures = iter([Failed(PLACE, 3, "cut"), visit(PLACE), Failed(padding, 3, "cut")])
    first, second, third = fill_with_blanks(failures, READER, config)
    assert [one.key for one in first.bad] == ["k3"]
    assert first.visit.place == padding
    shapes = {name: (view.shape, view.dtype) for name, view in first.visit.views.items()}
    assert shapes == {
        "before": ((k, 3, 8, 32, 32), np.uint8),
        "after": ((k, 3, 4, 32, 32), np.uint8),
        "audio": ((k, 1, 16000), np.float32),
    }
    assert not any(view.any() for view in first.visit.views.values())
    assert second.visit.place.valid
    assert second.bad == third.bad == (), "a padding row repeats an item: not counted again"


@pytest.fixture(scope="module")
def broken_root(small_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small dataset with one damaged sample, the one of batch 1, slot 2."""
    root = tmp_path_factory.mktemp("broken") / "root"
    shutil.copytree(small_root, root)
    _, second = [batch for batch, _ in zip(make_stream(small_root), range(2), strict=False)]
    damage(root, second.keys[2])
    return root


@pytest.fixture(scope="module")
def spared(broken_root: Path) -> list[dict[str, Any]]:
    return list(gathered([make_stream(broken_root, bad_samples=ALL)]))


def test_a_spare_takes_the_place_of_the_damaged_sample_alone(
    small_root: Path, spared: list[dict[str, Any]]
) -> None:
    clean = [flat(batch) for batch in make_stream(small_root)]
    victim = clean[1]["keys"][2]
    assert spared[1]["bad"][0].key == victim
    number = {
        key: item for b in clean for key, item in zip(b["keys"], b["items"].tolist(), strict=True)
    }
    for mine, theirs in zip(spared, clean, strict=True):
        assert mine["items"].tolist() == [number[key] for key in mine["keys"]]
        assert mine["positions"].tolist() == theirs["positions"].tolist()
        assert victim not in mine["keys"]
        assert mine["valid"].all()
        replaced = {b.position for b in mine["bad"]}
        assert len(mine["bad"]) >= (victim in theirs["keys"])
        for row, position in enumerate(theirs["positions"].tolist()):
            assert (theirs["keys"][row] == victim) == (position in replaced)
            if position not in replaced:
                assert mine["keys"][row] == theirs["keys"][row]
                assert mine["before"][row].equal(theirs["before"][row])


@pytest.mark.parametrize(("world_size", "workers"), [(1, 2), (2, 0), (2, 2), (4, 0), (4, 2)])
def test_ranks_and_workers_change_nothing(
    broken_root: Path, spared: list[dict[str, Any]], world_size: int, workers: int
) -> None:
    ranks = all_ranks(broken_root, world_size, workers=workers, bad_samples=ALL)
    assert_equal(gathered(ranks), spared)
    assert sum(rank.quarantine.count for rank in ranks) == sum(len(b["bad"]) for b in spared)
    assert sum(rank.take_figures().spares for rank in ranks) >= 1


def test_covering_blanks_the_damaged_sample_once(small_root: Path, tmp_path: Path) -> None:
    root = tmp_path / "root"
    shutil.copytree(small_root, root)
    index = open_index(str(root))
    last = index.column("key")[index.column("num_moments") >= 1][-1]
    damage(root, last)
    size = BATCH + 1
    settings: dict[str, Any] = {"num_epochs": None, "augment": False, "batch_size": size}
    stream = make_stream(root, **settings)
    rows = [
        (key, bool(valid))
        for batch in stream
        for key, valid in zip(batch.keys, batch.valid, strict=True)
    ]
    clean = make_stream(small_root, **settings)
    keys = [k for b in clean for k, ok in zip(b.keys, b.valid, strict=True) if ok]
    assert [key for key, valid in rows if valid] == [key for key in keys if key != last]
    assert len(rows) == size * stream.batches_per_epoch
    assert stream.quarantine.count == 1


def test_a_reader_travels_light() -> None:
    index = make_index([{"key": f"k{i}" * 20} for i in range(2000)])
    reader = RangeReader(index, RetryConfig(hedge_seconds=3.0))
    both = pickle.dumps((index, reader))
    assert len(both) < len(pickle.dumps(index)) + 1000
    again = pickle.loads(pickle.dumps(reader))
    assert (again.stored.size(7), again.stored.name(7)) == (
        reader.stored.size(7),
        reader.stored.name(7),
    )
