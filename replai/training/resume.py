"""What must be alike when a run continues from its checkpoint: its settings, and all ranks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from replai.core.config import config_dict, masked
from replai.core.errors import UserError
from replai.training.config import RunConfig

MAY_CHANGE_ON_RESUME = (
    "out", "log_every_steps", "checkpoint_every_steps", "validate_every_epochs", "cpu_threads",
    "record_samples", "rank_timeout_seconds", "compute", "optim.fused",
    "data.root", "data.mix", "data.validation_root", "data.stream",
)  # fmt: skip


def refuse_other_config(saved: dict[str, Any], ours: dict[str, Any], path: Path) -> None:
    """Raises UserError, naming the key, if `ours` is another run than `saved` began.

    Secrets in URLs, which `ours` has not, may be others, as signatures are renewed. A setting that
    is newer than the checkpoint may have its default: that changes nothing.
    """
    theirs, mine, defaults = _flat(masked(saved)), _flat(ours), _flat(config_dict(RunConfig))
    for key in (*theirs, *(key for key in mine if key not in theirs)):
        if key.startswith(MAY_CHANGE_ON_RESUME):
            continue
        if key not in mine:
            raise UserError(
                f"{path} was trained with {key}={theirs[key]}, which is no setting any more; "
                "give another out, or go on with that version"
            )
        if key not in theirs and mine[key] != defaults[key]:
            raise UserError(
                f"{path} was trained before {key} was a setting; leave it at {defaults[key]}, or "
                "give another out"
            )
        if key in theirs and mine[key] != theirs[key]:
            raise UserError(
                f"{path} was trained with {key}={theirs[key]}, this config says {mine[key]}; "
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
