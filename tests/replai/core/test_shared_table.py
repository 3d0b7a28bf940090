import gc
import multiprocessing
import pickle
from pathlib import Path

import pyarrow as pa
import pytest

from replai.core.index import open_index
from replai.core.shared_table import SharedTable, map_table

TABLE = pa.table(
    {"number": pa.array(range(1000), pa.int64()), "name": [f"n{i}" for i in range(1000)]}
)


def _look(path: str, answer: "multiprocessing.SimpleQueue[pa.Table]") -> None:
    answer.put(map_table(path))


def test_another_process_sees_the_table() -> None:
    shared, context = SharedTable(TABLE), multiprocessing.get_context("spawn")
    answer = context.SimpleQueue()
    child = context.Process(target=_look, args=(shared.path, answer))
    child.start()
    assert answer.get() == TABLE
    child.join()
    assert child.exitcode == 0


def test_a_full_disk_is_no_matter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "no such folder"))
    assert map_table(SharedTable(TABLE).path) == TABLE


def test_chunks_become_one_that_numpy_need_not_copy() -> None:
    chunked = pa.concat_tables([TABLE.slice(0, 300), TABLE.slice(300)])
    shared = SharedTable(chunked)
    mapped = map_table(shared.path)
    assert mapped == TABLE
    mapped.column("number").chunk(0).to_numpy(zero_copy_only=True)
    assert mapped.column("number").num_chunks == 1


def test_nothing_is_left_when_the_owner_is_gone() -> None:
    shared = SharedTable(TABLE)
    path = Path(shared.path)
    assert path.exists()
    del shared
    gc.collect()
    assert not path.exists()


def test_an_index_travels_as_a_few_bytes_however_long_it_is(small_root: Path) -> None:
    index = open_index(str(small_root))
    sent = pickle.dumps(index)
    arrived = pickle.loads(sent)
    assert arrived == index
    assert arrived.table == index.table
    table = pa.concat_tables([index.table] * 1000)
    longer = type(index)(
        index.root, index.header, index.shard_urls, index.shard_sizes, table, index.parts
    )
    assert len(pickle.dumps(longer)) < len(sent) + 100
    assert pickle.loads(pickle.dumps(longer)).table == table


def test_a_path_whose_owner_is_gone_is_an_error() -> None:
    path = SharedTable(TABLE).path
    gc.collect()
    with pytest.raises(OSError, match=r"proc|lseek|No such file"):
        map_table(path)
