"""A linear probe: a trained encoder and a random one of the same form, on the same actions."""

from __future__ import annotations

from pathlib import Path

import torch

from replai.checkpoint import load_checkpoint
from replai.core import storage
from replai.core.config import config_from_dict
from replai.core.errors import UserError
from replai.core.index import DatasetIndex, open_index
from replai.evaluation.config import ProbeConfig
from replai.evaluation.features import action_features
from replai.evaluation.linear import accuracies, fit_heads
from replai.models import Encoders, EncodersConfig

QUARANTINE_NAME = "quarantine.jsonl"
Result = dict[str, dict[str, float]]


def run_probe(config: ProbeConfig) -> Result:
    """`{"trained": {...}, "random": {...}}`, accuracies in percent on the test root's actions."""
    torch.set_num_threads(config.cpu_threads)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    train, test = open_index(config.train_root), open_index(config.test_root)
    _refuse_shared_videos(train, test)
    _refuse_other_classes(train, test)
    trained, fresh = _encoders(config)
    quarantine = _fresh_quarantine(config.out)
    return {
        "trained": _probe_encoders(trained.to(device), train, test, config, device, quarantine),
        # It meets the same bad samples again: they are named once.
        "random": _probe_encoders(fresh.to(device), train, test, config, device, None),
    }


def _fresh_quarantine(out: str) -> Path | None:
    """The file for bad samples, without an earlier probe's; None where OUT is no local folder."""
    if not storage.is_local(out):
        return None
    path = storage.local_path(out) / QUARANTINE_NAME
    path.unlink(missing_ok=True)
    return path


def _probe_encoders(
    encoders: Encoders,
    train: DatasetIndex,
    test: DatasetIndex,
    config: ProbeConfig,
    device: torch.device,
    quarantine: Path | None,
) -> dict[str, float]:
    fitted_on = action_features(encoders, train, config, device, quarantine)
    num_classes = _num_classes(train, test)
    heads = fit_heads(fitted_on, num_classes, config.linear, config.seed)
    tested_on = action_features(encoders, test, config, device, quarantine)
    return accuracies(heads, tested_on)


def _encoders(config: ProbeConfig) -> tuple[Encoders, Encoders]:
    """(as trained, as a random draw made them) in the form that the checkpoint says."""
    state = load_checkpoint(config.checkpoint)
    form = config_from_dict(EncodersConfig, state["config"]["encoders"])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        fresh, trained = Encoders(form), Encoders(form)
    trained.load_state_dict(state["encoders"])
    return trained, fresh


def _num_classes(train: DatasetIndex, test: DatasetIndex) -> tuple[int, int]:
    def count(name: str) -> int:
        ids = [int(i) for index in (train, test) for i in getattr(index.header, name)]
        return max(ids, default=0) + 1

    return count("verbs"), count("nouns")


def _refuse_shared_videos(train: DatasetIndex, test: DatasetIndex) -> None:
    shared = set(train.column("video_id")) & set(test.column("video_id"))
    if shared:
        raise UserError(
            f"{len(shared)} videos are in both {train.root} and {test.root} (one is "
            f"{min(shared)}); a probe is tested on other videos than it is trained on"
        )


def _refuse_other_classes(train: DatasetIndex, test: DatasetIndex) -> None:
    """A name of two ids: classes numbered by name, in two files that have not the same names."""
    for what in ("verbs", "nouns"):
        theirs = {name: one for one, name in getattr(test.header, what).items()}
        for class_id, name in getattr(train.header, what).items():
            if theirs.get(name, class_id) != class_id:
                raise UserError(
                    f"{name!r} of the {what} is class {class_id} in {train.root} and "
                    f"{theirs[name]} in {test.root}; pack both with the same class ids"
                )
