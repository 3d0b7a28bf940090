"""What ranks find of their parts of each batch, put together on the first of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor

from replai.core.errors import UserError
from replai.objectives.gather import gather
from replai.stream.loader import Share

ALONE = Share()


class Collected:
    """Labels and features of N items in their order, each exactly once; on the first rank.

    Items are numbered; batch by batch each rank has its contiguous part of the numbers, and what
    is past the last one only pads.
    """

    def __init__(self, encoders: Iterable[str], share: Share) -> None:
        self._is_first = share.rank == 0
        self._facts: list[Tensor] = []
        self._values: dict[str, list[Tensor]] = {name: [] for name in encoders}

    def add(
        self, numbers: Tensor, valid: Tensor, labels: Tensor, values: Mapping[str, Tensor]
    ) -> None:
        """This rank's part of a batch: numbers int64 [b], valid bool [b], labels int64
        [b, tasks], values float32 [b, V, D] of each encoder, all on one device."""
        facts = torch.cat([numbers[:, None], valid[:, None].long(), labels], dim=1)
        self._keep(self._facts, facts)
        for name, of_encoder in values.items():
            self._keep(self._values[name], of_encoder)

    def _keep(self, parts: list[Tensor], rows: Tensor) -> None:
        everyones = gather(rows)
        if self._is_first:
            parts.append(everyones.cpu())

    def whole(self, num_items: int) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
        """(bool [N]: which items could be had; their labels; their values by encoder).

        Raises UserError for values that are not finite, of which no classifier can be fitted.
        """
        facts = torch.cat(self._facts)[:num_items]
        assert torch.equal(facts[:, 0], torch.arange(num_items)), "an item missed, or twice"
        valid = facts[:, 1].bool()
        values = {name: torch.cat(of)[:num_items][valid] for name, of in self._values.items()}
        for name, of in values.items():
            if not of.isfinite().all():
                raise UserError(
                    f"features of encoder {name!r} are not finite: its weights have diverged, or "
                    "are too large for its precision; probe an earlier checkpoint"
                )
        return valid, facts[:, 2:][valid], values
