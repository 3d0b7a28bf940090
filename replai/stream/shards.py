"""Whether a shard is still the one that was packed: looked at when its samples come damaged."""

from __future__ import annotations

import tarfile

from replai.core.errors import UserError
from replai.core.index import HEADER_NAME, DatasetIndex
from replai.stream.request import current_size


def first_key(data: bytes | memoryview) -> str | None:
    """Key of the sample that begins with `data`; None where no tar member begins."""
    try:
        header = tarfile.TarInfo.frombuf(bytes(data[: tarfile.BLOCKSIZE]), "utf-8", "replace")
    except tarfile.TarError:
        return None
    return header.name.split(".")[0]


class ShardSizes:
    """Sizes of shards as they are now, each asked for once."""

    def __init__(self, index: DatasetIndex, timeout_seconds: float) -> None:
        self._index, self._timeout_seconds = index, timeout_seconds
        self._found: dict[int, int] = {}

    async def refuse_another(self, shard: int) -> None:
        """Raises UserError if the shard's size is not what the dataset's header says.

        One damaged sample is borne; a shard that was replaced or cut damages all that follow.
        """
        url, packed = self._index.shard_urls[shard], self._index.shard_sizes[shard]
        if shard not in self._found:
            size = await current_size(url, self._timeout_seconds)
            if size is None:
                return
            self._found[shard] = size
        if self._found[shard] != packed:
            raise UserError(
                f"{url} has {self._found[shard]} bytes, {HEADER_NAME} says {packed}: it was "
                "replaced or cut since it was packed; restore it, or pack the dataset again"
            )
