"""A probe run: a trained encoder and a random one of the same form, on the same data."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from replai.core import storage
from replai.core.annotations import read_annotations
from replai.core.config import config_yaml
from replai.core.errors import UserError
from replai.core.index import DatasetIndex, open_index
from replai.core.relabel import relabelled
from replai.core.urls import without_secrets
from replai.evaluation.classes import refuse_other_classes
from replai.evaluation.collect import ALONE
from replai.evaluation.config import Method, Over, ProbeConfig, SoundsConfig
from replai.evaluation.esc50 import Recording, read_esc50
from replai.evaluation.evaluate import Outcome, evaluate, unlabelled_tasks
from replai.evaluation.features import Features, action_features
from replai.evaluation.scores import groups_of
from replai.evaluation.sounds import evaluate_folds, sound_features
from replai.models import Encoders
from replai.stream.loader import Share
from replai.weights import load_encoders

CONFIG_NAME, QUARANTINE_NAME = "probe.yaml", "quarantine.jsonl"
TRAINED, RANDOM = "trained", "random"


@dataclass(frozen=True)
class ProbeFeatures:
    """What a probe has read, by encoder; on ranks other than the first nothing."""

    actions: tuple[dict[str, Features], ...]
    """Of the training and of the test split; empty where no actions are probed."""
    sounds: dict[str, Features]


def run_probe(config: ProbeConfig, device: torch.device) -> dict[str, Outcome]:
    """`read_features` and all of `probe_features` in one process; raises what they raise."""
    *_, outcomes = probe_features(read_features(config, device), config)
    return outcomes


def read_features(
    config: ProbeConfig,
    device: torch.device,
    share: Share = ALONE,
    agree: Callable[[str], bool] = lambda _: True,
) -> ProbeFeatures:
    """All that is to be read and encoded, by all ranks; none is needed afterwards but the first.

    `agree` tells whether all ranks give it the same facts. Raises UserError for a checkpoint, a
    dataset, labels or sounds that cannot be used, or are not those of the other ranks, and for an
    `out` that cannot.
    """
    torch.set_num_threads(config.cpu_threads)
    if share.rank == 0:  # first of all, so that a folder that cannot be written to costs no time
        _refuse_unwritable(config)
    splits = _opened_actions(config, share) if config.train_root else ()
    recordings = read_esc50(config.sounds.folder) if config.sounds.folder else []
    if not agree(_facts(splits, recordings)):
        raise UserError(
            "ranks have opened other data or labels than each other; they must be the same on all "
            "nodes"
        )
    encoders = trained_and_random(config)
    if recordings:
        _refuse_short_sounds(config.sounds, encoders[TRAINED])
    quarantine = _fresh_quarantine(config.out, share)
    actions = tuple(_read(encoders, one, config, device, share, quarantine) for one in splits)
    sounds = _heard(encoders, recordings, config, device, share, quarantine)
    return ProbeFeatures(actions, sounds)


def probe_features(features: ProbeFeatures, config: ProbeConfig) -> Iterator[dict[str, Outcome]]:
    """`trained` and `random` under the first classifier, then `trained (svm)` … under others.

    Yields all that is found so far after each classifier, as it may take hours, and the next may
    raise UserError: for labels that it cannot be fitted on.
    """
    outcomes: dict[str, Outcome] = {}
    if features.actions:
        for found in _probe_actions(features.actions, config):
            outcomes = {**outcomes, **found}
            yield outcomes
    if features.sounds:
        found = _probe_sounds(features.sounds, config)
        both = {name: outcomes.get(name, Outcome()).and_also(of) for name, of in found.items()}
        yield {**outcomes, **both}


def write_config(config: ProbeConfig) -> None:
    """Writes probe.yaml into `out`, beside the figures that are of this config."""
    storage.write_bytes(storage.join(config.out, CONFIG_NAME), config_yaml(config).encode())


def trained_and_random(config: ProbeConfig) -> dict[str, Encoders]:
    """The checkpoint's encoders, and others of their form as a random draw made them."""
    trained = load_encoders(config.checkpoint, config.encoders)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        fresh = Encoders(trained.config)
    return {TRAINED: trained, RANDOM: fresh}


def row_name(encoder: str, method: Method, methods: list[Method]) -> str:
    """As in `trained`, or `trained (svm)` where that is not the first of the classifiers."""
    return encoder if method is methods[0] else f"{encoder} ({method.value})"


def _opened_actions(config: ProbeConfig, share: Share) -> tuple[DatasetIndex, DatasetIndex]:
    """The training and the test split, with the labels that count.

    What cannot be used is told here, before anything is decoded.
    """
    says = share.rank == 0
    train = _labelled(config.train_root, config.train_annotations, says)
    test = _labelled(config.test_root, config.test_annotations, says)
    _refuse_unlabelled(train, "train_annotations")
    _refuse_unlabelled(test, "test_annotations")
    _refuse_shared_videos(train, test)
    refuse_other_classes(train, test)
    over = config.interval.over
    groups = groups_of(np.array(sorted(_labelled_videos(test))), over)
    if says and over is not Over.action and len(set(groups.tolist())) == 1:
        print(
            f"the actions of {without_secrets(test.root)} are of one {over.value}: no intervals",
            flush=True,
        )
    return train, test


def _facts(splits: Sequence[DatasetIndex], recordings: Sequence[Recording]) -> str:
    """What must be the same on all ranks, as each reads a part of it."""
    told = [
        (one.header.dataset_hash, one.header.verbs, one.header.nouns,
         one.column("num_actions").tolist(), one.actions)
        for one in splits
    ]  # fmt: skip
    return repr((told, recordings))


def _labelled(root: str, annotations: str, says: bool) -> DatasetIndex:
    index = open_index(root)
    if not annotations:
        return index
    read = read_annotations(annotations)
    told = relabelled(index, read)
    if says:
        print(told.said, flush=True)
    origins = {"verb classes": read.verbs.source, "noun classes": read.nouns.source}
    return replace(told.index, header=replace(told.index.header, origins=origins))


def _read(
    encoders: dict[str, Encoders],
    index: DatasetIndex,
    config: ProbeConfig,
    device: torch.device,
    share: Share,
    quarantine: Path | None,
) -> dict[str, Features]:
    """Features of a split's actions, on the first rank."""
    found = action_features(encoders, index, config, device, share, quarantine)
    _say_left_out(found, f"samples of {without_secrets(index.root)}", quarantine, share)
    return found


def _heard(
    encoders: dict[str, Encoders],
    recordings: list[Recording],
    config: ProbeConfig,
    device: torch.device,
    share: Share,
    quarantine: Path | None,
) -> dict[str, Features]:
    """Features of the recordings, if there are any, on the first rank."""
    if not recordings:
        return {}
    found = sound_features(encoders, recordings, config.sounds, device, share, quarantine)
    _say_left_out(found, f"sounds of {without_secrets(config.sounds.folder)}", quarantine, share)
    return found


def _say_left_out(
    features: dict[str, Features], what: str, quarantine: Path | None, share: Share
) -> None:
    others = " and quarantine-rank*.jsonl" if share.world_size > 1 else ""
    named = f"; they are named in {quarantine}{others}" if quarantine else ""
    for bad in {one.num_left_out for one in features.values()} - {0}:
        print(f"{bad} bad {what} are left out{named}", flush=True)


def _probe_actions(
    splits: tuple[dict[str, Features], ...], config: ProbeConfig
) -> Iterator[dict[str, Outcome]]:
    """Both encoders' outcomes, a classifier at a time."""
    train, test = splits
    for why in unlabelled_tasks(train[TRAINED], test[TRAINED]).values():
        print(f"{why}: no figures of them", flush=True)
    told = {
        "train": without_secrets(config.train_annotations or config.train_root),
        "test": without_secrets(config.test_annotations or config.test_root),
        "clips_per_action": config.clips_per_action,
        "parts": config.parts,
        "clip_seconds": config.clip_seconds,
        "num_frames": config.num_frames,
        "crop_pixels": config.crop.size_pixels,
        "short_side_pixels": config.crop.min_short_side,
    }
    for method in config.classifiers:
        yield {
            row_name(name, method, config.classifiers): evaluate(
                train[name], test[name], method, config, config.seed
            ).told(told)
            for name in train
        }


def _probe_sounds(features: dict[str, Features], config: ProbeConfig) -> dict[str, Outcome]:
    sounds = config.sounds
    told = {
        "folder": without_secrets(sounds.folder),
        "clips": sounds.clips,
        "clip_seconds": sounds.clip_seconds,
    }
    return {
        name: evaluate_folds(of, sounds.classifier, config, config.seed).told(told)
        for name, of in features.items()
    }


def _fresh_quarantine(out: str, share: Share) -> Path | None:
    """The file for bad samples, without those of an earlier probe, which may have had more ranks;
    None where OUT is no local folder."""
    if not storage.is_local(out):
        return None
    folder = storage.local_path(out)
    path = folder / (f"quarantine-rank{share.rank}.jsonl" if share.rank else QUARANTINE_NAME)
    path.unlink(missing_ok=True)
    if share.rank == 0:
        now = {f"quarantine-rank{rank}.jsonl" for rank in range(share.world_size)}
        for earlier in folder.glob("quarantine-rank*.jsonl"):
            if earlier.name not in now:
                earlier.unlink(missing_ok=True)
    return path


def _refuse_short_sounds(config: SoundsConfig, encoders: Encoders) -> None:
    log_mel = encoders.config.log_mel
    num_samples = round(config.clip_seconds * log_mel.sample_rate_hz)
    if num_samples < log_mel.n_fft:
        raise UserError(
            f"sounds.clip_seconds is {config.clip_seconds}: {num_samples} samples, fewer than one "
            f"window of the spectrogram, {log_mel.n_fft}"
        )


def _refuse_unwritable(config: ProbeConfig) -> None:
    """Writes this config, but over that of an earlier probe: its figures are still there."""
    url, data = storage.join(config.out, CONFIG_NAME), config_yaml(config).encode()
    storage.write_bytes(url, storage.read_bytes(url) if storage.exists(url) else data)


def _refuse_unlabelled(index: DatasetIndex, setting: str) -> None:
    if not index.column("num_actions").any():
        raise UserError(
            f"{without_secrets(index.root)} has no labelled action; pack it with --annotations, or "
            f"name a file of actions in its videos by {setting}"
        )


def _refuse_shared_videos(train: DatasetIndex, test: DatasetIndex) -> None:
    """Looks at the videos that have actions: one root may hold both splits' under two files."""
    shared = _labelled_videos(train) & _labelled_videos(test)
    if shared:
        raise UserError(
            f"{len(shared)} videos are in both {train.root} and {test.root} (one is "
            f"{min(shared)}); a probe is tested on other videos than it is trained on"
        )


def _labelled_videos(index: DatasetIndex) -> set[str]:
    return set(index.column("video_id")[index.column("num_actions") > 0])
