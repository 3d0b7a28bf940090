import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from replai.core.errors import UserError
from replai.stream.quarantine import BadSample, BadSampleConfig, Quarantine, most_bad


def bad(number: int, epoch: int = 0) -> BadSample:
    return BadSample(epoch, number // 4, number, f"k{number}", "s3://b/a.tar", "torn, Küche")


def test_a_list_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "list").mkdir()
    quarantine = Quarantine(BadSampleConfig(), samples_per_epoch=1000, path=tmp_path / "list")
    with pytest.raises(UserError, match=f"{tmp_path}/list: .*directory"):
        quarantine.add([bad(0)], num_good=3)


def test_the_budget_is_a_share_of_an_epoch() -> None:
    quarantine = Quarantine(BadSampleConfig(max_share=0.1), samples_per_epoch=29)
    quarantine.add([bad(0)], num_good=3)
    quarantine.add([], num_good=4)
    quarantine.add([bad(5)], num_good=4)
    with pytest.raises(
        UserError, match=r"more than 2 bad samples in epoch 0 .*k0: torn.*k5.*k9.*max_share$"
    ):
        quarantine.add([bad(9)], num_good=4)
    assert quarantine.count == 3


@pytest.mark.parametrize(
    ("num_samples", "world_size", "bad_share"),
    [(36_000, 64, 0.008), (36_000, 8, 0.009), (1_300_000, 512, 0.008), (1_300_000, 1, 0.01)],
)
def test_a_dataset_within_the_budget_stops_no_rank_by_chance(
    num_samples: int, world_size: int, bad_share: float
) -> None:
    part = num_samples // world_size
    num_bad = int(bad_share * num_samples)
    draws = np.random.default_rng(0)
    found = draws.hypergeometric(num_bad, num_samples - num_bad, part, size=100 * world_size)
    assert found.max() <= most_bad(0.01, part, world_size)


@pytest.mark.parametrize("world_size", [1, 8, 64, 512])
def test_four_times_the_budget_is_noticed(world_size: int) -> None:
    part = 1_300_000 // world_size
    found = np.random.default_rng(0).binomial(part, 0.04, size=world_size)
    assert found.min() > most_bad(0.01, part, world_size)
    assert most_bad(0.01, 1_300_000, 1) == 13_000
    assert most_bad(1.0, part, world_size) == part


def test_each_epoch_has_its_budget_and_one_is_always_borne() -> None:
    quarantine = Quarantine(BadSampleConfig(max_share=0.0), samples_per_epoch=100)
    for epoch in range(3):
        quarantine.add([bad(0, epoch)], num_good=4)
    assert quarantine.count == 3
    with pytest.raises(UserError, match="more than 1 bad samples in epoch 2"):
        quarantine.add([bad(1, epoch=2)], num_good=4)


def test_a_sample_counts_once_an_epoch() -> None:
    """A spare may be drawn again; a probe meets a segment once for each of its actions."""
    quarantine = Quarantine(BadSampleConfig(max_share=0.0), samples_per_epoch=100)
    for epoch in range(2):
        again = [replace(bad(0, epoch), position=position) for position in range(5)]
        quarantine.add(again, num_good=1)
    assert quarantine.count == 10
    with pytest.raises(UserError, match=r"epoch 1 \(k0: torn, Küche; k1: torn"):
        quarantine.add([bad(1, epoch=1)], num_good=4)


def test_bad_samples_in_a_row() -> None:
    config = BadSampleConfig(max_share=1.0, max_in_a_row=4)
    quarantine = Quarantine(config, samples_per_epoch=100)
    quarantine.add([bad(0), bad(1), bad(2)], num_good=0)
    quarantine.add([], num_good=1)
    quarantine.add([bad(4), bad(5), bad(6)], num_good=0)
    with pytest.raises(
        UserError, match=r"4 bad samples in a row.*raise bad_samples\.max_in_a_row$"
    ):
        quarantine.add([bad(7)], num_good=0)


def test_every_bad_sample_is_a_line_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "run" / "bad.jsonl"
    quarantine = Quarantine(BadSampleConfig(max_share=0.01), 100, path)
    quarantine.add([], num_good=4)
    assert not path.exists()
    quarantine.add([bad(1)], num_good=3)
    with pytest.raises(UserError, match=f"all in {path}"):
        quarantine.add([bad(2), bad(3)], num_good=2)
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert [BadSample(**row) for row in rows] == [bad(1), bad(2), bad(3)]
    with pytest.raises(UserError):
        Quarantine(BadSampleConfig(), 1, path).add([bad(4), bad(5)], num_good=1)
    assert len(path.read_text().splitlines()) == 5, "an earlier run's lines stay"


@pytest.mark.parametrize(
    "change",
    [{"max_share": -0.1}, {"max_share": 1.1}, {"max_share": float("nan")}, {"max_in_a_row": 0}],
)
def test_configs_that_make_no_sense(change: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(change))):
        BadSampleConfig(**change)  # type: ignore[arg-type]
