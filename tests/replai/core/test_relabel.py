"""Labels from a file in place of those in the shards."""

from __future__ import annotations

import multiprocessing
from pathlib import Path

import pytest
import torch

from replai.core.annotations import Annotations, Classes, Label, read_annotations
from replai.core.errors import UserError
from replai.core.index import DatasetIndex, open_index
from replai.core.record import Action
from replai.core.relabel import relabelled
from replai.stream.collate import AVBatch
from replai.stream.loader import AVStream, StreamConfig
from replai.stream.sampling import At, SamplingConfig
from tests.replai.stream.small import CROP, VIEWS, make_index
from tests.worlds import SmallData

INDEX = make_index(
    [  # cores [0, 10), [10, 20), [20, 30) of "v", and one of "w", in no order
        {"key": "v2", "start_seconds": 8.9, "duration_seconds": 12.2},
        {"key": "w1", "video_id": "w", "duration_seconds": 11.1},
        {"key": "v1", "start_seconds": 0.0, "duration_seconds": 11.1},
        {"key": "v3", "start_seconds": 18.9, "duration_seconds": 11.1},
    ]
)


def label(start: float, stop: float, video_id: str = "v") -> Label:
    action = Action(
        start_seconds=start, stop_seconds=stop, verb="open", noun="jar", verb_class=3, noun_class=5
    )
    return Label(where="a.csv line 2", video_id=video_id, action=action)


def annotations(*labels: Label) -> Annotations:
    return Annotations(
        labels=labels, verbs=Classes({3: "open"}), nouns=Classes({5: "jar"}), files=("a.csv",)
    )


def placed(*labels: Label) -> dict[str, list[tuple[float, float]]]:
    """Key → times of the actions, on the samples' clocks."""
    index = relabelled(INDEX, annotations(*labels)).index
    assert index.actions is not None
    keys = index.column("key")
    return {
        str(keys[row]): [(round(a.start_seconds, 6), round(a.stop_seconds, 6)) for a in found]
        for row, found in index.actions.items()
    }


def test_an_action_is_in_the_sample_whose_core_has_its_middle() -> None:
    assert placed(label(9.0, 10.8)) == {"v1": [(9.0, 10.8)]}
    assert placed(label(9.4, 10.8)) == {"v2": [(0.5, 1.9)]}
    assert placed(label(19.9, 22.0), label(2, 3, "w")) == {"v3": [(1.0, 3.1)], "w1": [(2.0, 3.0)]}


def test_what_is_not_stored_is_cut_off() -> None:
    assert placed(label(4.0, 40.0)) == {"v2": [(0.0, 12.2)]}  # cut to the video's 30 s first


def test_the_index_says_what_the_actions_say() -> None:
    index = relabelled(INDEX, annotations(label(1, 2), label(3, 4), label(25, 26))).index
    assert index.column("num_actions").tolist() == [0, 0, 2, 1]
    assert (index.header.num_actions, index.header.verbs) == (3, {"3": "open"})
    assert index.header.dataset_hash == INDEX.header.dataset_hash


def test_what_is_left_out_is_counted() -> None:
    some = relabelled(INDEX, annotations(label(1, 2), label(2, 2), label(1, 2, "strange")))
    assert some.said == "labels of /root: 1 of 3 actions of a.csv; empty 1, absent 1"
    with pytest.raises(UserError, match=r"0 of 1 actions of .* absent 1; video ids: there 's'"):
        relabelled(INDEX, annotations(label(1, 2, "s")))


def test_a_hole_between_samples_is_not_stored() -> None:
    rows = [{"key": "v1", "duration_seconds": 11.1}, {"key": "v3", "start_seconds": 18.9}]
    told = relabelled(make_index(rows), annotations(label(14, 16), label(1, 2)))
    assert told.said.endswith("1 of 2 actions of a.csv; not stored 1")


def batches(index: DatasetIndex, num_workers: int = 0) -> list[AVBatch]:
    stream = AVStream(
        index,
        VIEWS[:1],
        sampling=SamplingConfig(at=At.actions),
        crop=CROP,
        batch_size=8,
        augment=False,
        config=StreamConfig(num_workers=num_workers),
    )
    return list(stream)


def test_the_file_that_was_packed_gives_what_the_shards_have(small_data: SmallData) -> None:
    index = open_index(str(small_data.root))
    told = relabelled(index, read_annotations(str(small_data.annotations)))
    assert told.index.column("num_actions").tolist() == index.column("num_actions").tolist()
    for theirs, ours in zip(batches(index), batches(told.index), strict=True):
        assert ours.keys == theirs.keys
        assert torch.equal(ours.labels, theirs.labels)
        torch.testing.assert_close(ours.seconds, theirs.seconds)
        assert torch.equal(ours.views["before"], theirs.views["before"])


def test_other_labels_reach_a_decode_process(small_data: SmallData, tmp_path: Path) -> None:
    rows = small_data.annotations.read_text().splitlines()
    (tmp_path / "fewer.csv").write_text("\n".join(rows[:3]) + "\n")
    told = relabelled(
        open_index(str(small_data.root)), read_annotations(str(tmp_path / "fewer.csv"))
    )
    (batch,) = batches(told.index, num_workers=1)
    assert int(batch.valid.sum()) == told.index.header.num_actions == 2
    assert (batch.labels[batch.valid] >= 0).all()
    assert not multiprocessing.active_children()
