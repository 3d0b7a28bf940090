"""Sources that stay open from span to span.

To open an MP4, FFmpeg reads the index of all its frames: 8 ms of CPU for 20 minutes of video, as
much as copying ten seconds of it takes; from S3, some megabytes for hours (heads.py keeps them).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from replai.core import storage
from replai.core.store_errors import naming_store_errors
from replai.media.container import Media, damage_is_sample_error, open_sample
from sharder.heads import Heads

MOST_ENTRIES = 1_500_000
"""Of the indices of all that is kept open: some 5 hours of video with sound, 150 MB."""
MOST_SOURCES = 16
"""Kept open: each has a file's handle and, from a remote store, a block of it."""


@dataclass(frozen=True)
class _Source:
    media: Media
    closing: ExitStack

    @property
    def num_entries(self) -> int:
        return sum(len(stream.index_entries) for stream in self.media.container.streams)


class OpenSources:
    """The sources of one worker; a context manager that closes them.

    What is kept are MP4s whose decoders nobody uses: the bytes of a segment must not depend on
    which were made before it. Demuxers of other formats guess times from what they have read, and
    decoders remember parameter sets.
    """

    def __init__(self, *, kept: bool) -> None:
        """`kept`: whether only packets are read of them, so that they may stay open at all."""
        self._may_keep, self._heads = kept, Heads()
        self._kept: dict[str, _Source] = {}
        """By URL; the one that was used last stands last."""

    def __enter__(self) -> OpenSources:
        return self

    def __exit__(self, *_: object) -> None:
        while self._kept:
            self._close_oldest()

    @contextmanager
    def opened(self, url: str) -> Iterator[Media]:
        """The source at `url`, for the block that reads a span of it. Raises as
        `storage.reading` and `open_sample`; after any error in the block it is opened anew.
        """
        source = self._kept.pop(url, None) or self._opened(url)
        with ExitStack() as closing:
            closing.push(source.closing)
            with naming_store_errors(url), damage_is_sample_error():
                yield source.media
            if self._may_keep and source.media.stores_dts:
                closing.pop_all()
                self._kept[url] = source
        self._shed()

    def _opened(self, url: str) -> _Source:
        with ExitStack() as stack:
            file = stack.enter_context(storage.reading(url))
            with self._heads.opening(url, file) as head:
                media = stack.enter_context(open_sample(head))
            return _Source(media, stack.pop_all())

    def _shed(self) -> None:
        while len(self._kept) > MOST_SOURCES or (
            sum(source.num_entries for source in self._kept.values()) > MOST_ENTRIES
        ):
            self._close_oldest()

    def _close_oldest(self) -> None:
        self._kept.pop(next(iter(self._kept))).closing.close()
