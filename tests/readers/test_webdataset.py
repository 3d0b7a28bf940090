"""webdataset, front to back, and wids, by number."""

from __future__ import annotations

from pathlib import Path

import pytest
import webdataset

from tests.readers.conftest import Packed

# webdataset leaves the files it has read to the garbage collector.
pytestmark = [
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning"),
]


def test_webdataset(packed: Packed) -> None:
    found = list(webdataset.WebDataset(packed.tars, shardshuffle=False))
    assert [one["__key__"] for one in found] == list(packed.keys)
    assert [(one["mp4"], one["json"]) for one in found] == [packed.members[k] for k in packed.keys]


def test_webdataset_by_braces(packed: Packed) -> None:
    last = len(packed.tars) - 1
    url = f"{packed.root}/shards/train-{{000000..{last:06d}}}.tar"
    found = [one["__key__"] for one in webdataset.WebDataset(url, shardshuffle=False)]
    assert found == list(packed.keys)


def test_wids(packed: Packed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wids = pytest.importorskip("wids", reason="wids is not installed; `make readers-test` has it")
    monkeypatch.setenv("WIDS_CACHE", str(tmp_path))
    found = wids.ShardListDataset(f"{packed.root}/shards.json", transformations=[], keep=True)
    assert len(found) == len(packed.keys)
    for number in reversed(range(len(found))):
        one, key = found[number], packed.keys[number]
        assert one["__key__"] == key
        assert (one[".mp4"].read(), one[".json"].read()) == packed.members[key]
