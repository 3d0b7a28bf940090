"""Batches on the device. On a GPU the next one is copied while the present one is computed.

host    fetch 1, launch 1 │ fetch 2, launch 2 │ fetch 3 …
copies  ── copy 1 ──       ── copy 2 ──        ── copy 3 ──
GPU               ──────── step 1 ──────── ──────── step 2 ──────── …
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from replai.models.jitter import JitterConfig, draw_factors, jittered
from replai.objectives import Rows
from replai.stream.collate import AVBatch


@dataclass(frozen=True)
class Placed:
    """A batch whose views and items are on the device."""

    batch: AVBatch
    """As it came, on the host."""
    views: dict[str, Tensor]
    """Video: uint8 [b, 3, T, H, W]; audio: float32 [b, 1, samples]."""
    rows: Rows


@dataclass(frozen=True)
class _Wait:
    host_seconds: float
    ended: torch.cuda.Event
    """On the GPU: all that was launched before the wait is done."""
    begun: torch.cuda.Event
    """On the GPU: the batch is there, and what comes after it begins."""

    def seconds(self) -> float:
        """How long the GPU stood idle while the host waited; both events must have passed."""
        idle_seconds: float = self.ended.elapsed_time(self.begun) / 1000
        return min(self.host_seconds, idle_seconds)


class Feed:
    """Places batches on `device`, one at a time, and tells how long it stood idle for want of one.

    On the CPU that is how long the host waited. A GPU has work that was launched before, so only
    that part of the host's wait counts in which it had none.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._copies: torch.cuda.Stream | None = None
        if device.type == "cuda":
            self._copies = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        self._waits: list[_Wait] = []
        self._seconds = 0.0

    def __call__(self, batches: Iterable[AVBatch]) -> Iterator[Placed]:
        """Each batch in turn. The next one is not fetched before it is asked for."""
        source = iter(batches)
        while True:
            ended = self._mark()
            started = time.perf_counter()
            batch = next(source, None)
            waited = time.perf_counter() - started
            if batch is None:
                return
            placed = self._placed(batch)
            begun = self._mark()
            if ended and begun:
                self._waits.append(_Wait(waited, ended, begun))
            else:
                self._seconds += waited
            yield placed

    def idle_seconds(self) -> float:
        """The sum so far. On a GPU to be asked only after a wait for the last step's results."""
        self._seconds += sum(wait.seconds() for wait in self._waits)
        self._waits = []
        return self._seconds

    def _mark(self) -> torch.cuda.Event | None:
        if self._copies is None:
            return None
        event = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
        event.record(torch.cuda.current_stream(self._device))
        return event

    def _placed(self, batch: AVBatch) -> Placed:
        if self._copies is None:
            return Placed(batch, batch.views, _rows(batch, batch.items))
        with torch.cuda.stream(self._copies):
            views = {name: self._copied(view) for name, view in batch.views.items()}
            items = self._copied(batch.items)
        computing = torch.cuda.current_stream(self._device)
        computing.wait_stream(self._copies)
        for tensor in (*views.values(), items):
            tensor.record_stream(computing)  # its memory is not reused before the step is done
        return Placed(batch, views, _rows(batch, items))

    def _copied(self, tensor: Tensor) -> Tensor:
        """A copy that the host does not wait for, which takes pinned memory."""
        pinned = tensor if tensor.is_pinned() else tensor.pin_memory()
        return pinned.to(self._device, non_blocking=True)


def _rows(batch: AVBatch, items: Tensor) -> Rows:
    return Rows(items=items, positions=batch.positions, epoch=batch.epoch)


def jittered_views(placed: Placed, jitter: JitterConfig, seed: int) -> dict[str, Tensor]:
    """The views with the colour jitter that training may want, on their device."""
    if not jitter.is_on:
        return placed.views
    positions, device = placed.batch.positions, placed.rows.items.device
    factors = draw_factors(jitter, seed, placed.batch.epoch, positions.tolist())
    if device.type == "cuda":
        factors = factors.pin_memory().to(device, non_blocking=True)
    return {
        name: jittered(view, factors) if view.dtype == torch.uint8 else view
        for name, view in placed.views.items()
    }
