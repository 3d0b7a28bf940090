import shutil
from pathlib import Path

import pytest

from replai.core.errors import UserError
from replai.core.index import Part, open_index
from replai.core.mixture import WeightedRoot, open_mixture


@pytest.fixture
def twin(small_root: Path, tmp_path: Path) -> Path:
    """A second root with the same samples."""
    return Path(shutil.copytree(small_root, tmp_path / "twin"))


def weighted(*pairs: tuple[Path, float]) -> list[WeightedRoot]:
    return [WeightedRoot(root=str(root), weight=weight) for root, weight in pairs]


def test_rows_follow_each_other_and_find_their_shards(small_root: Path, twin: Path) -> None:
    one = open_index(str(small_root))
    both = open_mixture(weighted((small_root, 2.0), (twin, 1.0)))
    n = one.header.num_samples
    assert both.header.num_samples == both.table.num_rows == 2 * n
    facts = (n, len(one.shard_urls), one.header.dataset_hash)
    assert both.parts == (Part(str(small_root), *facts, 2.0), Part(str(twin), *facts, 1.0))
    assert both.column("key").tolist() == 2 * one.column("key").tolist()
    for row in range(2 * n):
        root = small_root if row < n else twin
        url = both.shard_urls[both.column("shard")[row]]
        name = one.shard_urls[one.column("shard")[row % n]].removeprefix(str(small_root))
        assert url == f"{root}{name}"
    assert both.header.margin_seconds == one.header.margin_seconds
    assert not both.header.verbs


def test_the_hash_tells_datasets_weights_and_order_apart(small_root: Path, twin: Path) -> None:
    table = open_index(str(twin))
    mixtures = [
        weighted((small_root, 0.0)),
        weighted((small_root, 0.0), (twin, 0.0)),
        weighted((small_root, 1.0), (twin, 2.0)),
        weighted((small_root, 2.0), (twin, 1.0)),
    ]
    hashes = [open_mixture(mixture).header.dataset_hash for mixture in mixtures]
    assert len(set(hashes)) == len(mixtures)
    assert hashes[0] == table.header.dataset_hash  # equal samples, wherever they lie


def test_what_makes_no_mixture_is_refused(
    small_root: Path, twin: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UserError, match="comes twice"):
        open_mixture(weighted((small_root, 0.0), (small_root, 0.0)))
    monkeypatch.chdir(small_root.parent)
    for same in (f"{small_root}/", f"file://{small_root}", f"./{small_root.name}"):
        with pytest.raises(UserError, match="comes twice"):
            open_mixture([WeightedRoot(root=str(small_root)), WeightedRoot(root=same)])
    with pytest.raises(UserError, match=f"{twin} has no weight, others have"):
        open_mixture(weighted((small_root, 1.0), (twin, 0.0)))
    with pytest.raises(UserError, match=r"no dataset at .*none"):
        open_mixture(weighted((small_root, 1.0), (tmp_path / "none", 1.0)))
    with pytest.raises(ValueError, match="must not be negative"):
        WeightedRoot(root="x", weight=-1.0)
