"""Training streams over the small dataset, and batches of all ranks put together."""

from __future__ import annotations

import traceback
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields
from itertools import islice
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import torch

from replai.core.mixture import WeightedRoot, open_mixture
from replai.stream.collate import AVBatch
from replai.stream.loader import AVStream, Share, StreamConfig
from replai.stream.plan import StreamState
from replai.stream.quarantine import BadSampleConfig
from replai.stream.sampling import SamplingConfig
from replai.stream.worker import fork_server
from tests.replai.stream.small import CROP, VIEWS

BATCH, EPOCHS, READ_UNIT = 4, 2, 4


def make_stream(
    root: Path | str | list[WeightedRoot],
    *,
    workers: int = 0,
    share: tuple[int, int] = (0, 1),
    sampling: SamplingConfig | None = None,
    bad_samples: BadSampleConfig | None = None,
    **change: Any,
) -> AVStream:
    """A training stream over the small dataset, but for what is given."""
    settings = {"views": VIEWS, "batch_size": BATCH, "num_epochs": EPOCHS, "seed": 5, **change}
    roots = [WeightedRoot(root=str(root))] if isinstance(root, Path | str) else root
    return AVStream(
        open_mixture(roots),
        sampling=sampling or SamplingConfig(),
        crop=CROP,
        share=Share(rank=share[0], world_size=share[1]),
        config=StreamConfig(
            num_workers=workers,
            megabytes_in_flight=0.2,
            prefetch_batches=1,
            read_unit=READ_UNIT,
            bad_samples=bad_samples or BadSampleConfig(),
        ),
        **settings,
    )


def flat(batch: AVBatch) -> dict[str, Any]:
    """Everything in a batch, by name, but for the figures (which are times)."""
    names = [field.name for field in fields(batch) if field.name != "figures"]
    values = {name: getattr(batch, name) for name in names}
    return {**values.pop("views"), **values}


def gathered(ranks: Sequence[Iterable[AVBatch]]) -> Iterator[dict[str, Any]]:
    """Global batches: the rows of all ranks in the order of the ranks."""
    for parts in zip(*ranks, strict=True):
        yield _whole([flat(part) for part in parts])


def _whole(parts: Sequence[dict[str, Any]]) -> dict[str, Any]:
    for name in ("epoch", "batch"):
        assert len({part[name] for part in parts}) == 1
    return {
        name: value
        if isinstance(value, int)
        else torch.cat([part[name] for part in parts])
        if isinstance(value, torch.Tensor)
        else sum((part[name] for part in parts), ())
        for name, value in parts[0].items()
    }


def assert_equal(one: Iterable[dict[str, Any]], other: Iterable[dict[str, Any]]) -> None:
    for mine, theirs in zip(one, other, strict=True):
        assert mine.keys() == theirs.keys()
        for name, value in mine.items():
            if isinstance(value, torch.Tensor):
                assert value.dtype == theirs[name].dtype
                assert torch.equal(value, theirs[name]), name
            else:
                assert value == theirs[name], name


class RankProcesses:
    """Processes that each read one rank's part, with worker processes of their own.

    They stay from read to read: to import torch anew for each, and for its workers, takes seconds.
    """

    def __init__(self, root: Path, folder: Path, most: int) -> None:
        self._root, self._folder = root, folder
        self._pipes, self._processes = [], []
        for _ in range(most):
            ours, theirs = Pipe()
            self._processes.append(fork_server().Process(target=_serve, args=(theirs,)))
            self._processes[-1].start()
            self._pipes.append(ours)

    def read(
        self,
        world_size: int,
        workers: int,
        state: dict[str, Any] | None = None,
        stop: int | None = None,
        **settings: Any,
    ) -> tuple[list[dict[str, Any]], dict[str, Any]]:
        """Global batches that `world_size` ranks read from `state` on, at most `stop` of them; and
        the state that all of them then have.
        """
        paths = [self._folder / f"rank{rank}.pt" for rank in range(world_size)]
        for rank, (pipe, path) in enumerate(zip(self._pipes, paths, strict=False)):
            pipe.send((self._root, path, (rank, world_size), workers, state, stop, settings))
        for pipe in self._pipes[:world_size]:
            assert pipe.poll(120), "a rank does not end"
            assert not (failure := pipe.recv()), failure
        parts = [torch.load(path) for path in paths]
        assert all(part["state"] == parts[0]["state"] for part in parts)
        batches = [_whole(one) for one in zip(*(part["batches"] for part in parts), strict=True)]
        return batches, parts[0]["state"]

    def close(self) -> None:
        """Ends the processes."""
        for pipe in self._pipes:
            pipe.send(None)
        for process in self._processes:
            process.join(30)
            assert process.exitcode == 0


def _serve(pipe: Connection) -> None:
    """A rank's process: reads what it is asked to, until there is no more."""
    while arguments := pipe.recv():
        try:
            _read_part(*arguments)
            pipe.send("")
        except BaseException:
            pipe.send(traceback.format_exc())


def _read_part(
    root: Path,
    path: Path,
    share: tuple[int, int],
    workers: int,
    state: dict[str, Any] | None,
    stop: int | None,
    settings: dict[str, Any],
) -> None:
    stream = make_stream(root, share=share, workers=workers, **settings)
    if state is not None:
        stream.load_state(StreamState.from_dict(state))
    reading = iter(stream)
    batches = [flat(batch) for batch in islice(reading, stop)]
    reading.close()
    torch.save({"batches": batches, "state": stream.state.to_dict()}, path)
