"""Hugging Face `datasets` by its webdataset loader: fields inferred, or told by the card."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

datasets = pytest.importorskip(
    "datasets", reason="Hugging Face datasets is not installed; `make readers-test` has it"
)

from tests.readers.conftest import Packed  # noqa: E402
from tests.replai.media.synthetic import encoded  # noqa: E402
from tests.sharder.command import in_a_process  # noqa: E402
from tests.sharder.conftest import RECIPE  # noqa: E402
from tests.sharder.test_pack import OPTIONS  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")  # its own and its libraries'

Load = Callable[[Path], Any]


@pytest.fixture(params=["by the tars", "by the card"])
def load(request: pytest.FixtureRequest, tmp_path: Path) -> Load:
    """Loads the only split of a root; mp4 stays bytes, for which no decoder is needed."""

    def loaded(root: Path) -> Any:
        cache = {"cache_dir": str(tmp_path / "cache")}
        if request.param == "by the card":
            found = datasets.load_dataset(str(root), **cache)
        else:
            tars = {"train": f"{root}/shards/*.tar"}
            found = datasets.load_dataset("webdataset", data_files=tars, **cache)
        return found["train"]

    return loaded


def test_the_samples_are_ours(packed: Packed, load: Load) -> None:
    found = load(packed.root)
    assert isinstance(found.features["mp4"], datasets.Video)
    assert found.features["json"]["moments"].feature["seconds"].dtype == "float64"
    assert found.features["json"]["actions"].feature["verb"].dtype == "string"
    found = found.cast_column("mp4", datasets.Video(decode=False))
    assert [one["__key__"] for one in found] == list(packed.keys)
    for one in found:
        media, record = packed.members[one["__key__"]]
        assert one["mp4"]["bytes"] == media
        assert one["json"] == json.loads(record)


def test_streamed(packed: Packed) -> None:
    tars = {"train": f"{packed.root}/shards/*.tar"}
    found = datasets.load_dataset("webdataset", data_files=tars, split="train", streaming=True)
    found = found.cast_column("mp4", datasets.Video(decode=False))
    assert [one["__key__"] for one in found] == list(packed.keys)


def test_fields_are_known_though_most_samples_lack_them(tmp_path: Path, load: Load) -> None:
    """One action and one moment in eight samples: they stand where the fields are inferred."""
    (tmp_path / "a.mp4").write_bytes(encoded(RECIPE))
    (tmp_path / "moments.csv").write_text("video_id,seconds,prominence\na,6.5,2.5\n")
    (tmp_path / "actions.csv").write_text(
        "video_id,start_seconds,stop_seconds,verb,noun\na,3.2,3.8,open,door\n"
    )
    outcome = in_a_process(
        "pack", tmp_path / "a.mp4", "--moments", tmp_path / "moments.csv",
        "--annotations", tmp_path / "actions.csv", "--out", tmp_path / "root", *OPTIONS,
        "--segment-seconds", "1", "--samples-per-shard", "8",
    )  # fmt: skip
    assert outcome.code == 0, outcome.text
    found = load(tmp_path / "root").remove_columns("mp4")
    assert len(found) == 8
    assert [one["json"]["moments"][0]["prominence"] for one in found if one["json"]["moments"]] == [
        2.5
    ]
    assert [one["json"]["actions"][0]["verb"] for one in found if one["json"]["actions"]] == [
        "open"
    ]
