"""Features of a small packed world's actions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from replai.core.errors import UserError
from replai.core.index import open_index
from replai.evaluation.collect import ALONE, Collected
from replai.evaluation.config import ClipsConfig
from replai.evaluation.features import Features, action_features
from replai.models import Encoders
from replai.stream.loader import StreamConfig
from tests.replai.training.runs import TINY_CROP, TINY_ENCODERS

CPU = torch.device("cpu")
CLIPS = ClipsConfig(crop=TINY_CROP, stream=StreamConfig(num_workers=0), batch_size=4)


@pytest.fixture(scope="module")
def encoders() -> Mapping[str, Encoders]:
    return {"one": Encoders(TINY_ENCODERS), "other": Encoders(TINY_ENCODERS)}


def features(encoders: Mapping[str, Encoders], root: Path, **changes: int) -> Features:
    found = action_features(encoders, open_index(str(root)), replace(CLIPS, **changes), CPU)
    return found["one"]


def test_each_action_comes_once_and_nothing_of_the_encoders_moves(
    encoders: Mapping[str, Encoders], small_root: Path
) -> None:
    index = open_index(str(small_root))
    before = {name: value.clone() for name, value in encoders["one"].state_dict().items()}
    found = action_features(encoders, index, CLIPS, CPU)
    one, other = found["one"], found["other"]
    assert len(one) == len(one.labels) == len(one.origins) == index.header.num_actions
    assert index.header.num_actions % 4  # the last batch is padded, and the padding left out
    state = encoders["one"].state_dict()
    assert all(torch.equal(value, before[name]) for name, value in state.items())
    assert {str(int(label)) for label in one.labels[:, 0]} <= set(index.header.verbs)
    assert set(one.origins) == set(index.column("video_id"))
    assert torch.equal(one.labels, other.labels)
    assert not torch.allclose(one.values, other.values)


def test_features_do_not_depend_on_the_batch(
    encoders: Mapping[str, Encoders], small_root: Path
) -> None:
    one, other = (features(encoders, small_root, batch_size=size) for size in (4, 3))
    torch.testing.assert_close(one.values, other.values)
    assert torch.equal(one.labels, other.labels)


def test_views(encoders: Mapping[str, Encoders], small_root: Path) -> None:
    single = features(encoders, small_root, clips_per_action=4, parts=1).values
    num_actions, _, dim = single.shape
    assert single.shape == (num_actions, 4, dim)
    pairs = features(encoders, small_root, clips_per_action=4, parts=2).values
    assert pairs.shape == (num_actions, 2, 2 * dim)
    for view, (first, second) in enumerate([(0, 2), (1, 3)]):
        expected = torch.cat([single[:, first], single[:, second]], dim=1)
        torch.testing.assert_close(pairs[:, view], expected)
    assert not torch.allclose(single[:, 0], single[:, 3])


def test_features_that_are_not_finite_are_refused() -> None:
    collected, one = Collected(["trained"], ALONE), torch.zeros(1, dtype=torch.int64)
    values = {"trained": torch.tensor([[[1.0, torch.inf]]])}
    collected.add(one, one == 0, one[:, None], values)
    with pytest.raises(UserError, match="features of encoder 'trained' are not finite"):
        collected.whole(1)


def test_clips_that_are_no_whole_parts_are_refused() -> None:
    with pytest.raises(ValueError, match="clips_per_action 5 is not divisible by parts 2"):
        replace(CLIPS, clips_per_action=5)
