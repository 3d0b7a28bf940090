"""Reads a dataset from here without a model and says how fast: python -m replai.stream URL

python -m replai.stream s3://bucket/data --batches 50 --workers 4
python -m replai.stream s3://bucket/data --cache /local/cache --cache-gigabytes 200
python -m replai.stream s3://bucket/data --dry-run --world-size 512 --batch-size 4096
"""

from __future__ import annotations

import argparse
import time

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from replai.core import storage
from replai.core.errors import UserError, exits_cleanly
from replai.core.index import DatasetIndex
from replai.core.mixture import WeightedRoot, open_mixture
from replai.core.urls import without_secrets
from replai.stream.cache import CacheConfig
from replai.stream.crops import CropConfig
from replai.stream.figures import Figures
from replai.stream.loader import AVStream, Share, StreamConfig
from replai.stream.plan import training_places
from replai.stream.request import S3Client
from replai.stream.sampling import SamplingConfig
from replai.views import AudioView, VideoView

REPLAI_VIEWS = (
    VideoView(name="video_before", start_seconds=-0.6, duration_seconds=0.5, num_frames=8),
    VideoView(name="video_after", start_seconds=0.1, duration_seconds=0.5, num_frames=8),
    AudioView(name="audio", start_seconds=-1.0, duration_seconds=2.0),
)
"""RepLAI's own, with the paper's windows."""


def main() -> None:
    """Entry point."""
    run(_parsed())


@exits_cleanly
def run(arguments: argparse.Namespace) -> None:
    """Opens the dataset and prints what was asked."""
    index = open_mixture(_weighted(arguments))
    stream = _stream(index, arguments)
    _print_facts(index, stream, arguments)
    if arguments.dry_run:
        _print_plan(stream, arguments)
    else:
        _print_speed(stream, arguments)


def _parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m replai.stream", description=__doc__)
    parser.add_argument("root", nargs="+", help="URL of a dataset root; several are mixed")
    parser.add_argument(
        "--weights", type=float, nargs="+", default=[], help="shares of the datasets mixed"
    )
    parser.add_argument("--batch-size", type=int, default=64, help="moments in the global batch")
    parser.add_argument("--batches", type=int, default=20, help="batches to read, at most")
    parser.add_argument("--workers", type=int, default=2, help="decode processes")
    parser.add_argument("--per-visit", type=int, default=1, help="moments a visited segment")
    parser.add_argument("--crop", type=int, default=112, help="side of the crop in pixels")
    parser.add_argument("--world-size", type=int, default=1, help="ranks of the run to come")
    parser.add_argument("--rank", type=int, default=0, help="the rank whose part is read")
    parser.add_argument("--cache", default="", metavar="FOLDER", help="keep samples on this disk")
    parser.add_argument(
        "--cache-gigabytes", type=float, default=CacheConfig.gigabytes, help="most that it keeps"
    )
    parser.add_argument(
        "--s3-client", choices=[client.value for client in S3Client], default="auto"
    )
    parser.add_argument("--dry-run", action="store_true", help="only plan, read nothing")
    return parser.parse_args()


def _weighted(arguments: argparse.Namespace) -> list[WeightedRoot]:
    roots, weights = arguments.root, arguments.weights or [0.0] * len(arguments.root)
    if len(weights) != len(roots):
        raise UserError(f"--weights gives {len(weights)} numbers for {len(roots)} datasets")
    try:
        return [WeightedRoot(root=r, weight=w) for r, w in zip(roots, weights, strict=True)]
    except ValueError as error:
        raise UserError(str(error)) from None


def _stream(index: DatasetIndex, arguments: argparse.Namespace) -> AVStream:
    if not 0 <= arguments.rank < arguments.world_size:
        raise UserError(f"--rank {arguments.rank} is not within 0..{arguments.world_size - 1}")
    for option, number in (
        ("--batch-size", arguments.batch_size),
        ("--batches", arguments.batches),
    ):
        if number < 1:
            raise UserError(f"{option} is {number}; it must be at least 1")
    side = arguments.crop
    try:
        crop = CropConfig(
            size_pixels=side, min_short_side=side * 128 // 112, max_short_side=side * 180 // 112
        )
        cache = CacheConfig(folder=arguments.cache, gigabytes=arguments.cache_gigabytes)
        config = StreamConfig(
            num_workers=arguments.workers, cache=cache, s3_client=S3Client(arguments.s3_client)
        )
        sampling = SamplingConfig(per_visit=arguments.per_visit)
    except ValueError as error:
        raise UserError(str(error)) from None
    return AVStream(
        index,
        REPLAI_VIEWS,
        sampling=sampling,
        crop=crop,
        batch_size=arguments.batch_size,
        num_epochs=1,
        share=Share(rank=arguments.rank, world_size=arguments.world_size),
        config=config,
    )


def _print_facts(index: DatasetIndex, stream: AVStream, arguments: argparse.Namespace) -> None:
    header = index.header
    hours = float(index.column("duration_seconds").sum()) / 3600
    print(
        f"{without_secrets(index.root)}: {header.num_samples} samples in "
        f"{len(index.shard_urls)} shards, {hours:.2f} h, {header.num_moments} moments, "
        f"stored as {header.profile}\n"
        f"{stream.num_items} samples qualify: {stream.batches_per_epoch} batches of "
        f"{arguments.batch_size} an epoch on {arguments.world_size} ranks"
    )
    if stream.reads:
        print(stream.reads)
    if arguments.cache and storage.is_local(index.root):
        print("the dataset is on this machine: it is read where it is, without --cache")


def _print_plan(stream: AVStream, arguments: argparse.Namespace) -> None:
    """Plans the epoch, this rank's part and then all others', and says what they hold."""
    started = time.perf_counter()
    mine = _planned(stream, arguments, arguments.rank)
    seconds = time.perf_counter() - started
    print(
        f"rank {arguments.rank} of {arguments.world_size}: {len(mine)} samples, planned in "
        f"{seconds:.3f} s; the first: {mine[:8].tolist()}"
    )
    others = (rank for rank in range(arguments.world_size) if rank != arguments.rank)
    parts = [mine, *(_planned(stream, arguments, rank) for rank in others)]
    assert {len(part) for part in parts} == {len(mine)}, "all ranks take equal steps"
    items = np.concatenate(parts)
    num_different = len(np.unique(items))
    often = "each once" if num_different == len(items) else f"{num_different} different ones"
    print(f"all ranks together: {len(items)} of {stream.num_items} samples, {often}")


def _planned(stream: AVStream, arguments: argparse.Namespace, rank: int) -> NDArray[np.int64]:
    """Items of an epoch that are `rank`'s, in their order."""
    places = training_places(
        stream.state, mix=stream.mix, global_batch=arguments.batch_size // arguments.per_visit,
        num_epochs=1, rank=rank, world_size=arguments.world_size,
    )  # fmt: skip
    return np.fromiter((place.item for place in places), np.int64)


def _print_speed(stream: AVStream, arguments: argparse.Namespace) -> None:
    figures, moments, first = Figures(), 0, 0.0
    started = time.perf_counter()
    for number, batch in enumerate(stream, start=1):
        if number == 1:
            first = time.perf_counter() - started
        moments += len(batch)
        figures += stream.take_figures()
        if number == arguments.batches:
            break
    elapsed = time.perf_counter() - started
    table = Table(title=f"{moments} moments in {elapsed:.1f} s")
    table.add_column("figure")
    table.add_column("value", justify="right")
    table.add_row("first batch after, s", f"{first:.2f}")
    table.add_row("moments_per_second", f"{moments / elapsed:.1f}")
    for name, value in figures.named(elapsed).items():
        table.add_row(name.removeprefix("stream/"), f"{value:.4g}")
    Console().print(table)
    share = figures.fetch_wait_seconds / max(
        figures.fetch_wait_seconds + figures.decode_seconds, 1e-9
    )
    print(
        f"the workers spent {100 * share:.0f}% of their time waiting for bytes, the rest decoding"
    )


if __name__ == "__main__":
    main()
