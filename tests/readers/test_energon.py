"""Energon opens the root as it is; its own preparation finds what we wrote."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

energon = pytest.importorskip(
    "megatron.energon", reason="Energon is not installed; `make readers-test` has it"
)

from megatron.energon.flavors.webdataset.prepare import WebdatasetPreparator  # noqa: E402

from tests.readers.conftest import Packed  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")  # its own and its libraries'


@energon.stateless  # type: ignore[untyped-decorator]
def _as_it_is(sample):  # type: ignore[no-untyped-def]
    return dict(sample)


class _Samples(energon.DefaultTaskEncoder):  # type: ignore[misc]
    cookers = (energon.Cooker(_as_it_is),)


def test_its_own_preparation_gives_the_identical_offsets(packed: Packed, tmp_path: Path) -> None:
    names = [f"shards/{Path(tar).name}" for tar in packed.tars]
    for tar, name in zip(packed.tars, names, strict=True):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(tar, tmp_path / name)
    parts = WebdatasetPreparator.prepare_dataset(
        tmp_path, names, split_parts_ratio=[("train", 1.0)], workers=1
    )
    assert parts == {"mp4", "json"}
    for name in names:
        assert (tmp_path / f"{name}.idx").read_bytes() == (packed.root / f"{name}.idx").read_bytes()
    theirs, ours = (
        json.loads((root / ".nv-meta" / ".info.json").read_text())["shard_counts"]
        for root in (tmp_path, packed.root)
    )
    assert theirs == ours


@pytest.mark.parametrize("num_workers", [0, 2])
def test_its_loader_yields_our_samples(packed: Packed, num_workers: int) -> None:
    workers = energon.WorkerConfig(rank=0, world_size=1, num_workers=num_workers)
    dataset = energon.get_train_dataset(
        str(packed.root), worker_config=workers, batch_size=None, shuffle_buffer_size=None,
        max_samples_per_sequence=None, repeat=False, task_encoder=_Samples(), auto_decode=False,
    )  # fmt: skip
    found = {one["__key__"]: one for one in energon.get_loader(dataset)}
    assert sorted(found) == sorted(packed.keys)
    for key, one in found.items():
        assert (one["mp4"], one["json"]) == packed.members[key]
