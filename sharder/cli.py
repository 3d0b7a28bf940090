"""The command `sharder`: world, detect, inspect, pack, verify.

Each imports what it needs when it is called: detection's SciPy alone takes half a second.
"""

from __future__ import annotations

import shlex
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from replai.core.errors import EXIT_INTERRUPTED, UserError, exits_cleanly
from replai.core.urls import without_secrets
from sharder.engine import Engine, LocalEngine, fork_server, open_ray
from sharder.options import (
    ALL_CORES,
    DetectorName,
    DetectorOption,
    EngineName,
    EngineOption,
    EngineWorkers,
    Level,
    MinProminence,
    ProfileName,
    RayAddress,
    Sources,
    Workers,
)
from sharder.report import console

if TYPE_CHECKING:
    from sharder.detectors import Config

T = TypeVar("T")
EXIT_FAULTS = 1
app = typer.Typer(
    help="Untrimmed videos → moments of interaction → WebDataset shards on any store.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.command()
def world(
    output: Annotated[str, typer.Option("-o", "--output", help="Folder to make.")],
    train_videos: int = 64,
    test_videos: int = 16,
    seconds: Annotated[float, typer.Option(help="Length of each video.")] = 30.0,
    width: Annotated[int, typer.Option(help="Pixels.")] = 256,
    height: Annotated[int, typer.Option(help="Pixels.")] = 144,
    difficulty: Annotated[Level, typer.Option(help="How hard: docs/world.md.")] = Level.easy,
    snr_db: Annotated[
        float | None,
        typer.Option(help="Impact over background, dB.", show_default="the difficulty's"),
    ] = None,
    change: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="Any setting: docs/world.md. Repeatable."),
    ] = None,
    seed: int = 0,
    workers: Workers = ALL_CORES,
) -> None:
    """Make untrimmed first-person-like videos with sound, and their truth."""
    from sharder.make_world import make_world
    from sharder.world import settings_of

    settings = _checked(
        settings_of,
        level=difficulty.value,
        assignments=change or (),
        num_train_videos=train_videos,
        num_test_videos=test_videos,
        duration_seconds=seconds,
        width=width,
        height=height,
        snr_db=snr_db,
        seed=seed,
    )
    make_world(settings, output, workers)


@app.command()
def detect(
    sources: Sources,
    output: Annotated[str, typer.Option("-o", "--output", help="Parquet file to write.")],
    detector: DetectorOption = DetectorName.bursts,
    min_prominence: MinProminence = None,
    engine: EngineOption = EngineName.local,
    ray_address: RayAddress = "",
    workers: EngineWorkers = None,
    overwrite: Annotated[bool, typer.Option(help="Replace an output of another job.")] = False,
) -> None:
    """Find the moments of interaction: peaks in the sound."""
    _start_local(engine, workers, "sharder.detect", "sharder.bursts", "sharder.moi")
    from sharder.detect import detect as detect_moments_of
    from sharder.sources import find_sources

    found = find_sources(sources, with_audio_files=True)
    config = _detector(detector, min_prominence)
    with _running(engine, ray_address, workers) as running:
        detect_moments_of(found, output, config, running, overwrite)


@app.command()
def inspect(
    source: Annotated[
        str, typer.Argument(help="A video, a sound file or a dataset root: a path or a URL.")
    ],
    output: Annotated[
        str, typer.Option("-o", "--output", help="Page to write; a .png goes beside it.")
    ] = "inspect.html",
    moments: Annotated[str, typer.Option(help="Show these, instead of detecting.")] = "",
    annotations: Annotated[
        str, typer.Option(help="Labels: EPIC-Kitchens' CSV, Ego4D's JSON or a plain CSV.")
    ] = "",
    moments_shown: Annotated[int, typer.Option(help="Moments looked at closely.")] = 12,
    detector: DetectorOption = DetectorName.bursts,
    min_prominence: MinProminence = None,
    segments: Annotated[int, typer.Option(help="Random segments of a dataset to open.")] = 100,
    seed: Annotated[int, typer.Option(help="Of that draw.")] = 0,
    workers: Workers = ALL_CORES,
) -> None:
    """Look at a video's moments, or at a dataset: a page with pictures and sound."""
    with _pictures():
        from sharder.inspect.command import InspectConfig
        from sharder.inspect.command import inspect as inspect_target
    config = _checked(
        InspectConfig,
        detector=_detector(detector, min_prominence),
        moments_shown=moments_shown,
        segments=segments,
        seed=seed,
    )
    inspect_target(source, output, moments, annotations, config, workers)


@app.command()
def pack(
    context: typer.Context,
    sources: Sources,
    out: Annotated[str, typer.Option(help="URL of the dataset root to make.")],
    moments: Annotated[
        str, typer.Option(help="From `detect`; or CSV, Parquet, fho_main.json.")
    ] = "",
    annotations: Annotated[
        str, typer.Option(help="EPIC-Kitchens' CSV, Ego4D's JSON or a plain CSV.")
    ] = "",
    only_annotated: Annotated[
        bool, typer.Option("--only-annotated", help="Only videos that the annotations name.")
    ] = False,
    profile: ProfileName = ProfileName.transcode,
    short_side: Annotated[int, typer.Option(help="Pixels (transcode).")] = 256,
    fps: Annotated[int, typer.Option(help="Frames a second (transcode).")] = 16,
    gop: Annotated[int, typer.Option(help="Frames between keyframes (transcode).")] = 8,
    crf: Annotated[int, typer.Option(help="x264 quality, lower is better (transcode).")] = 23,
    audio_rate_hz: Annotated[
        int, typer.Option(help="Highest rate of the stored sound (transcode).")
    ] = 16000,
    audio_kbit: Annotated[
        int, typer.Option(help="kbit/s a channel of the stored sound (transcode).")
    ] = 32,
    segment_seconds: Annotated[float, typer.Option(help="Length without margins.")] = 10.0,
    margin_seconds: Annotated[float, typer.Option(help="Furthest reach of any view.")] = 1.1,
    samples_per_shard: int = 500,
    split: Annotated[str, typer.Option(help="Prefix of the shards' names.")] = "train",
    append: Annotated[bool, typer.Option(help="Add new videos to a finished dataset.")] = False,
    dry_run: Annotated[bool, typer.Option(help="Print the plan and its cost; write nothing.")] = (
        False
    ),
    engine: EngineOption = EngineName.local,
    ray_address: RayAddress = "",
    workers: EngineWorkers = None,
) -> None:
    """Pack untrimmed videos, moments and annotations into a dataset root."""
    if profile is ProfileName.copy:
        _refuse_encoding(context)
    _start_local(engine, workers, "sharder.pack", "sharder.encode")
    from replai.core.annotations import Annotations, read_annotations
    from sharder.encode import CopyProfile, Profile, TranscodeProfile
    from sharder.pack import pack as pack_dataset
    from sharder.plan import PackConfig
    from sharder.segments import SegmentConfig
    from sharder.sources import find_sources, only_named
    from sharder.timestamps import MomentsOrigin, origin_of, read_moments

    chosen: Profile = CopyProfile()
    if profile is ProfileName.transcode:
        chosen = TranscodeProfile(
            short_side=short_side,
            fps=fps,
            gop_frames=gop,
            crf=crf,
            audio_rate_hz=audio_rate_hz,
            audio_kbit_per_channel=audio_kbit,
        )
    with console.status("reading annotations"):
        labelled = read_annotations(annotations) if annotations else Annotations()
    found = find_sources(sources, with_audio_files=False)
    if only_annotated:
        found = only_named(found, labelled.ids)
    with console.status("reading moments"):
        times = read_moments(moments, {one.video_id for one in found}) if moments else {}
        origin = origin_of(moments) if moments else MomentsOrigin()
    with _running(engine, ray_address, workers) as running:
        pack_dataset(
            found,
            times,
            labelled,
            out,
            chosen,
            PackConfig(
                split=split,
                samples_per_shard=samples_per_shard,
                segments=_checked(
                    SegmentConfig, core_seconds=segment_seconds, margin_seconds=margin_seconds
                ),
            ),
            running,
            command=_this_command(),
            moments_origin=origin,
            append=append,
            dry_run=dry_run,
        )


@app.command()
def verify(
    url: Annotated[str, typer.Argument(help="The dataset root.")],
    share: Annotated[float, typer.Option(help="Of the shards, drawn at random.")] = 1.0,
    seed: Annotated[int, typer.Option(help="Of that draw.")] = 0,
    decode_every: Annotated[int, typer.Option(help="Decode every n-th sample; 0: none.")] = 50,
    json_file: Annotated[str, typer.Option("--json", help="URL of a report to write.")] = "",
    workers: Workers = ALL_CORES,
) -> None:
    """Read a dataset root again and name each fault. Exits with 1 if there are any."""
    from sharder.verify.run import VerifyConfig
    from sharder.verify.run import verify as verify_dataset

    config = VerifyConfig(share=share, seed=seed, decode_every=decode_every)
    if verify_dataset(url, config, workers, _this_command(), json_file).faults:
        raise typer.Exit(EXIT_FAULTS)


def _this_command() -> str:
    """The command line, to stand in a dataset."""
    return shlex.join(["sharder", *map(without_secrets, sys.argv[1:])])


def _refuse_encoding(context: typer.Context) -> None:
    """Raises UserError if the user gave an option that means nothing where packets are copied."""
    for name in ("short_side", "fps", "gop", "crf", "audio_rate_hz", "audio_kbit"):
        source = context.get_parameter_source(name)
        if source is not None and source.name == "COMMANDLINE":
            raise UserError(
                f"--{name.replace('_', '-')} needs --profile transcode: the copy profile keeps "
                "video and sound as they are"
            )


def _start_local(engine: EngineName, workers: int | None, *modules: str) -> None:
    """Has local workers' imports run beside those that follow here."""
    if engine is EngineName.local and (workers or ALL_CORES) > 1:
        fork_server(modules)


@contextmanager
def _running(name: EngineName, ray_address: str, workers: int | None) -> Iterator[Engine]:
    """The engine, which ends with the block."""
    if name is EngineName.local:
        if ray_address:
            raise UserError("--ray-address needs --engine ray")
        yield LocalEngine(workers or ALL_CORES)
        return
    with open_ray(ray_address, workers) as engine:
        yield engine


@contextmanager
def _pictures() -> Iterator[None]:
    """Matplotlib is not among what sharding needs: says how to get it, where it is missing."""
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] not in ("matplotlib", "PIL"):
            raise
        raise UserError("pictures need matplotlib: python -m pip install matplotlib") from None


def _detector(name: DetectorName, min_prominence: float | None) -> Config:
    from sharder.bursts import BurstConfig
    from sharder.moi import MoiConfig

    settings: dict[DetectorName, Callable[..., Config]] = {
        DetectorName.bursts: BurstConfig,
        DetectorName.paper: MoiConfig,
    }
    given = {} if min_prominence is None else {"min_prominence": min_prominence}
    return _checked(settings[name], **given)


def _checked(settings: Callable[..., T], **values: object) -> T:
    """`settings(**values)`; what it refuses is bad input."""
    try:
        return settings(**values)
    except ValueError as error:
        raise UserError(str(error)) from None


@exits_cleanly
def main() -> None:
    """Entry point. SIGTERM, as of a cluster's scheduler, is as good as Ctrl-C."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        app()
    except SystemExit as left:
        if left.code == EXIT_INTERRUPTED:  # of which typer says nothing
            console.print(f"interrupted{_how_to_go_on(sys.argv[1:])}")
        raise


def _how_to_go_on(arguments: Sequence[str]) -> str:
    """What is said to whoever has interrupted a command that keeps what is finished."""
    keeps = arguments[0] in ("detect", "pack") and "--dry-run" not in arguments
    return "; the same command goes on from what is finished" if keeps else ""


if __name__ == "__main__":
    main()
