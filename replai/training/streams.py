"""The streams of a run: of what it trains on, and of the held-out moments that it is watched on."""

from __future__ import annotations

from replai.core.index import DatasetIndex, open_index
from replai.core.mixture import open_mixture
from replai.stream.loader import AVStream, Share
from replai.training.config import RunConfig
from replai.training.ranks import Ranks
from replai.views import View


def training_stream(config: RunConfig, views: tuple[View, ...], ranks: Ranks) -> AVStream:
    """This rank's part of all epochs, augmented. Raises UserError for what cannot be served."""
    index = open_mixture(config.data.roots)
    return _stream(config, index, views, ranks, "quarantine", config.num_epochs, augment=True)


class HeldOutStreams:
    """This rank's part of the held-out data, the same moments each time."""

    def __init__(self, config: RunConfig, views: tuple[View, ...], ranks: Ranks) -> None:
        """Raises UserError for what cannot be served: now, not after the first epoch."""
        index = open_index(config.data.validation_root)
        self._stream = _stream(config, index, views, ranks, "quarantine-held-out", 1, augment=False)
        self._start = self._stream.state

    @property
    def dataset_hash(self) -> str:
        """Of the held-out data."""
        return self._start.dataset_hash

    def __call__(self) -> AVStream:
        """The moments once, as they are stored; without those that have held a worker before."""
        self._stream.load_state(self._start)
        return self._stream


def _stream(
    config: RunConfig,
    index: DatasetIndex,
    views: tuple[View, ...],
    ranks: Ranks,
    quarantine: str,
    num_epochs: int,
    *,
    augment: bool,
) -> AVStream:
    return AVStream(
        index,
        views,
        sampling=config.data.sampling,
        crop=config.data.crop,
        batch_size=config.batch_size,
        seed=config.seed,
        num_epochs=num_epochs,
        augment=augment,
        share=Share(rank=ranks.rank, world_size=ranks.world_size),
        config=config.data.stream,
        quarantine_path=config.folder / f"{quarantine}-rank{ranks.rank}.jsonl",
    )
