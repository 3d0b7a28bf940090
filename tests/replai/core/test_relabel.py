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
        {"key": "v_000010000", "start_seconds": 8.9, "duration_seconds": 12.2},
        {"key": "w_000000000", "video_id": "w", "duration_seconds": 11.1},
        {"key": "v_000000000", "start_seconds": 0.0, "duration_seconds": 11.1},
        {"key": "v_000020000", "start_seconds": 18.9, "duration_seconds": 11.1},
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


def stored(*cores: tuple[float, float, float]) -> DatasetIndex:
    """Samples of "v", each by (start of its core, start and stop of what is stored) in seconds."""
    return make_index(
        [
            {
                "key": f"v_{round(core * 1000):09d}",
                "start_seconds": start,
                "duration_seconds": stop - start,
            }
            for core, start, stop in cores
        ]
    )


def placed(*labels: Label, among: DatasetIndex = INDEX) -> dict[str, list[tuple[float, float]]]:
    """A sample, as in `v2` for the second ten seconds of "v", → its actions, on its clock."""
    index = relabelled(among, annotations(*labels)).index
    assert index.actions is not None
    keys = [f"{key[0]}{int(key[2:]) // 10_000 + 1}" for key in index.column("key")]
    return {
        keys[row]: [(round(a.start_seconds, 6), round(a.stop_seconds, 6)) for a in found]
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


@pytest.mark.parametrize("order", [1, -1])
def test_samples_that_are_stored_from_one_keyframe_on(order: int) -> None:
    """The copy profile, where the only keyframe is the first frame."""
    index = stored(*[(0, 0, 11.1), (10, 0, 20)][::order])
    expected = {"v1": [(1.0, 3.0)], "v2": [(14.0, 16.0), (17.0, 19.0)]}
    assert placed(label(1, 3), label(14, 16), label(17, 19), among=index) == expected


def test_a_sample_that_is_stored_from_an_early_keyframe_on() -> None:
    index = stored((0, 0, 11.1), (10, 5, 20))
    assert placed(label(2, 11), among=index) == {"v1": [(2.0, 11.0)]}
    assert placed(label(9, 12), among=index) == {"v2": [(4.0, 7.0)]}


@pytest.mark.parametrize(
    ("index", "lost"),
    [
        (stored((0, 0, 11.1), (20, 18.9, 30)), [(10.5, 14), (14, 15), (15, 19.5)]),
        (stored((10, 8.9, 21.1), (20, 18.9, 30)), [(2, 9.2), (0, 1)]),
    ],
)
def test_what_was_left_out_is_not_stored(
    index: DatasetIndex, lost: list[tuple[float, float]]
) -> None:
    told = relabelled(index, annotations(label(22, 23), *(label(*times) for times in lost)))
    counted = f"1 of {1 + len(lost)} actions of a.csv; not stored {len(lost)}"
    assert told.said.endswith(counted)


def test_a_neighbour_of_what_was_left_out_has_what_it_stores_the_middle_of() -> None:
    index = stored((0, 0, 11.1), (20, 18.9, 30))
    assert placed(label(10, 11), label(19, 20.8), among=index) == {
        "v1": [(10.0, 11.0)],
        "v3": [(0.1, 1.9)],
    }


def test_a_key_that_says_no_time_is_refused() -> None:
    with pytest.raises(UserError, match="the key 'v' in /root does not end in _MILLISECONDS"):
        relabelled(make_index([{"key": "v"}]), annotations(label(1, 2)))


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
