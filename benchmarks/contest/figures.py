"""What the processes of the contest found out → its figures.

Contestants take turns, round by round. Each ratio is taken within a round, between neighbours in
time, and the figure is the median over the rounds. Above 1, ours is the better one.

    moments/s     moments of an epoch over its wall seconds
    `_cpu`        the same with CPU seconds of the process and all its descendants: what other
                  work on the machine hardly changes
    (no suffix)   first epoch: from the batch with which every worker had given one, to its end
    `_epoch2`     second epoch (of ours the third, too), with what is then in the caches
    moments       those of the batches that are given; nobody decodes others (but for the batches
                  that ours and bare decode, which run on, have begun at either end of an epoch)

Over S3, ours has no disk cache beside webdataset, which has none that can be trusted, and has one
beside MosaicML streaming and LitData, which always cache.

    PEER_ratio             ours over the peer, over S3; PEER_local_ratio: on the local disk
    local_over_decode, cached_over_decode    ours over bare decode, later epochs, moments/s
    s3_over_decode         the same without a disk cache, per CPU second of ours: the server shares
                           the cores; `_wall`: moments/s; `_s3fs`: with that S3 client;
                           `_unit1`: a sample a GET
    *_over_handed          the same over decode whose batches torch's DataLoader hands over, as do
                           the peers
    first_batch_seconds    from the start of the process, over S3, caches empty
    resume_ratio_PEER      the peer's seconds over ours, from the start of a process that resumes at
                           half an epoch to its first batch, over S3, caches empty; `_imported`:
                           from when the contestant's modules are imported. webdataset has to run
                           up to there: through its loader, or before the decoder (`_undecoded`);
                           so beside it the epoch is a long one, the data 4 times over
    skip_seconds_per_1000_webdataset    what that costs it for each 1000 moments skipped
    worker_memory_growth_mb    PSS, from the end of the first epoch to the end of the third, of the
                           process of ours that grew most in any round
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import median

from benchmarks.contest.job import Epoch, Outcome

PEERS = ("webdataset", "mds", "litdata")
OURS_BESIDE = {"webdataset": "ours_s3", "mds": "ours_cached", "litdata": "ours_cached"}
FIRST, LATER = slice(0, 1), slice(1, None)

Round = dict[str, Outcome]
"""What one round gave: name of the job → its outcome."""
Rate = Callable[[Sequence[Epoch]], float]


def figures(rounds: Sequence[Round], half_epoch_moments: int) -> dict[str, float]:
    """All figures, rounded. `half_epoch_moments`: of the long one, what webdataset skips."""
    found = {**_over_decode(rounds), **_first_batches(rounds)}
    for peer in PEERS:
        found |= _beside(rounds, peer)
    for peer in ("webdataset", "webdataset_undecoded"):
        skipping = found[f"resume_seconds_{peer}"] - found["first_batch_seconds_webdataset"]
        found[f"skip_seconds_per_1000_{peer}"] = 1000 * skipping / half_epoch_moments
    found["worker_memory_growth_mb"] = max(
        memory_growth_megabytes(one.epochs)
        for played in rounds
        for name, one in played.items()
        if name in ("ours_local", "ours_s3", "ours_cached")
    )
    return {name: round(value, 3) for name, value in found.items()}


def per_wall_second(epochs: Sequence[Epoch]) -> float:
    """Moments a second of wall time."""
    return sum(e.moments for e in epochs) / sum(e.wall_seconds for e in epochs)


def per_cpu_second(epochs: Sequence[Epoch]) -> float:
    """Moments a second of CPU time."""
    return sum(e.moments for e in epochs) / sum(e.cpu_seconds for e in epochs)


def memory_growth_megabytes(epochs: Sequence[Epoch]) -> float:
    """Growth from the end of the first epoch to that of the last, of the process that grew most."""
    first, last = epochs[0].worker_megabytes, epochs[-1].worker_megabytes
    return max(last[pid] - first[pid] for pid in first.keys() & last.keys())


def ratio(rounds: Sequence[Round], ours: str, other: str, epochs: slice, rate: Rate) -> float:
    """Median over the rounds of `ours` over `other`."""
    return median(
        rate(played[ours].epochs[epochs]) / rate(played[other].epochs[epochs]) for played in rounds
    )


def _over_decode(rounds: Sequence[Round]) -> dict[str, float]:
    found = {}
    for key, name in (("local", "ours_local"), ("cached", "ours_cached")):
        found[f"{key}_over_decode"] = ratio(rounds, name, "decode", LATER, per_wall_second)
        found[f"{key}_over_decode_cpu"] = ratio(rounds, name, "decode", LATER, per_cpu_second)
        found[f"{key}_over_handed"] = ratio(rounds, name, "decode_handed", LATER, per_wall_second)
        found[f"{key}_over_handed_cpu"] = ratio(
            rounds, name, "decode_handed", LATER, per_cpu_second
        )
    for variant in ("", "_s3fs", "_unit1"):
        key, name = f"s3_over_decode{variant}", f"ours_s3{variant}"
        found[key] = ratio(rounds, name, "decode", LATER, per_cpu_second)
        found[f"{key}_wall"] = ratio(rounds, name, "decode", LATER, per_wall_second)
    return found


def _beside(rounds: Sequence[Round], peer: str) -> dict[str, float]:
    """Ours over one peer."""
    found = {}
    pairs = (
        ("ratio", OURS_BESIDE[peer], f"{peer}_s3"),
        ("local_ratio", "ours_local", f"{peer}_local"),
    )
    for key, ours, other in pairs:
        for suffix, epochs in (("", FIRST), ("_epoch2", LATER)):
            name = f"{peer}_{key}{suffix}"
            found[name] = ratio(rounds, ours, other, epochs, per_wall_second)
            found[f"{name}_cpu"] = ratio(rounds, ours, other, epochs, per_cpu_second)
    return found


def _first_batches(rounds: Sequence[Round]) -> dict[str, float]:
    """Seconds to first batches, and the peers' over ours after a resume at half an epoch."""
    found = {"first_batch_seconds": _median(rounds, "ours_s3", _first)}
    for peer in PEERS:
        found[f"first_batch_seconds_{peer}"] = _median(rounds, f"{peer}_s3", _first)
    found["resume_seconds"] = _median(rounds, "ours_resume", _first)
    found["resume_seconds_long"] = _median(rounds, "ours_long_resume", _first)
    for peer in (*PEERS, "webdataset_undecoded"):
        name = f"{peer}_resume"
        ours = "ours_long_resume" if peer.startswith("webdataset") else "ours_resume"
        found[f"resume_seconds_{peer}"] = _median(rounds, name, _first)
        for suffix, seconds in (("", _first), ("_imported", _first_after_imports)):
            found[f"resume_ratio_{peer}{suffix}"] = median(
                seconds(played[name]) / seconds(played[ours]) for played in rounds
            )
    return found


def _median(rounds: Sequence[Round], name: str, seconds: Callable[[Outcome], float]) -> float:
    return median(seconds(played[name]) for played in rounds)


def _first(outcome: Outcome) -> float:
    return outcome.first_batch_seconds


def _first_after_imports(outcome: Outcome) -> float:
    return outcome.first_batch_seconds - outcome.import_seconds
