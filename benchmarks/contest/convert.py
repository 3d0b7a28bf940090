"""Our samples in a peer's format, the same bytes: python -m benchmarks.contest.convert FORMAT ...

FORMAT is mds or litdata; then come our root and the folder to write. Runs where the peers are.
"""

from __future__ import annotations

import sys
from pathlib import Path

from benchmarks.contest.decoding import DECODE
from replai.core.index import open_index
from replai.stream.fetch import Fetched
from replai.stream.plan import Place
from replai.stream.reader import RangeReader
from replai.stream.retry import RetryConfig
from replai.stream.sampling import qualifying_items
from replai.stream.unpack import unpack_sample
from replai.views import reach

COLUMNS = {"key": "str", "mp4": "bytes", "json": "bytes"}
Sample = dict[str, str | bytes]


def read_samples(root: str) -> list[Sample]:
    """The samples with moments, in the order of the shards: key, mp4 and JSON."""
    index, nowhere = open_index(root), Place(0, 0, 0, 0, 0)
    reader = RangeReader(index, RetryConfig())
    samples: list[Sample] = []
    items = qualifying_items(index, DECODE.sampling, reach(DECODE.views), True)
    for row in items.rows.tolist():
        data = reader.read(row).data
        sample = unpack_sample(Fetched(nowhere, row, 0, data))
        record = sample.record.to_json()
        samples.append({"key": sample.key, "mp4": sample.media, "json": record})
    return samples


def shard_bytes(root: str) -> int:
    """Size of our largest shard: the limit for the peers' shards too."""
    return max(path.stat().st_size for path in Path(root).glob("shards/*.tar"))


def to_mds(root: str, out: str) -> None:
    """MDS shards in the folder `out`."""
    from streaming import MDSWriter

    with MDSWriter(columns=COLUMNS, out=out, size_limit=shard_bytes(root)) as writer:
        for sample in read_samples(root):
            writer.write(sample)


def to_litdata(root: str, out: str) -> None:
    """LitData chunks in the folder `out`."""
    from litdata import optimize

    optimize(
        fn=_itself, inputs=read_samples(root), output_dir=out, chunk_bytes=shard_bytes(root),
        num_workers=1, reorder_files=False, verbose=False,
    )  # fmt: skip


def _itself(sample: Sample) -> Sample:
    return sample


if __name__ == "__main__":
    {"mds": to_mds, "litdata": to_litdata}[sys.argv[1]](*sys.argv[2:])
