"""Which settings a run may change when it continues from its checkpoint."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from replai.core.errors import UserError

MAY_CHANGE_ON_RESUME = (
    "out", "log_every_steps", "checkpoint_every_steps", "validate_every_epochs", "cpu_threads",
    "record_samples", "rank_timeout_seconds", "compute", "optim.fused",
    "data.root", "data.mix", "data.validation_root", "data.stream",
)  # fmt: skip


def refuse_other_config(saved: dict[str, Any], ours: dict[str, Any], path: Path) -> None:
    """Raises UserError, naming the key, if `ours` is another run than `saved` began."""
    for key, theirs in _flat(saved).items():
        mine = _flat(ours).get(key)
        if mine != theirs and not key.startswith(MAY_CHANGE_ON_RESUME):
            raise UserError(
                f"{path} was trained with {key}={theirs}, this config says {mine}; "
                "give another out, or the same config"
            )


def _flat(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, dict):
            flat.update(_flat(value, f"{prefix}{name}."))
        else:
            flat[prefix + name] = value
    return flat
