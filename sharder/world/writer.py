"""Settings -> a directory of videos with their truth.

DIR/train/P01_01.mp4 ...   DIR/train.csv   DIR/EPIC_100_verb_classes.csv
DIR/test/P09_01.mp4 ...    DIR/test.csv    DIR/EPIC_100_noun_classes.csv
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from sharder.engine import run_local
from sharder.world.movie import write_movie
from sharder.world.script import Script, write_script
from sharder.world.settings import WorldSettings
from sharder.world.truth import write_actions, write_classes

SPLITS = ("train", "test")


@dataclass(frozen=True, kw_only=True)
class WorldSummary:
    """What was written."""

    directory: Path
    num_train_videos: int
    num_test_videos: int
    num_train_actions: int
    num_test_actions: int
    total_seconds: float
    """Length of all videos together."""


def write_world(
    settings: WorldSettings,
    directory: Path | str,
    *,
    workers: int = 2,
    progress: Callable[[int, int], None] | None = None,
) -> WorldSummary:
    """Write a world's videos and annotations and return what was written.

    `progress` is called in this process with (videos done, videos in all) after each video.
    The annotations come last: where they are, all videos are. The same settings give the same
    files, however many `workers` (processes, at least 1) there are. With more than one, the
    calling program needs the usual `if __name__ == "__main__"` guard. Raises ValueError for
    `workers` below 1, and whatever the making of a video raised.
    """
    if workers < 1:
        raise ValueError(f"workers is {workers}, must be at least 1")
    root = Path(directory)
    scripts = [write_script(settings, index) for index in range(settings.num_videos)]
    _clear_place(root)
    for done, _ in enumerate(_write_movies(scripts, root, workers), start=1):
        if progress is not None:
            progress(done, len(scripts))
    _write_truth(scripts, root)
    return _summary(settings, scripts, root)


def _clear_place(root: Path) -> None:
    """Make the folders, and take away the truth of a world that was here before."""
    for split in SPLITS:
        (root / split).mkdir(parents=True, exist_ok=True)
        (root / f"{split}.csv").unlink(missing_ok=True)


def _write_movies(scripts: Sequence[Script], root: Path, workers: int) -> Iterator[None]:
    """Write all videos, and yield as each is done."""
    paths = [_movie_path(script, root) for script in scripts]
    yield from run_local(_write_one, list(zip(scripts, paths, strict=True)), workers)


def _write_one(job: tuple[Script, Path]) -> None:
    write_movie(*job)


def _movie_path(script: Script, root: Path) -> Path:
    return root / script.split / f"{script.video_id}.mp4"


def _write_truth(scripts: Sequence[Script], root: Path) -> None:
    write_classes(root)
    for split in SPLITS:
        write_actions([one for one in scripts if one.split == split], root / f"{split}.csv")


def _summary(settings: WorldSettings, scripts: Sequence[Script], root: Path) -> WorldSummary:
    num_actions = {
        split: sum(len(one.interactions) for one in scripts if one.split == split)
        for split in SPLITS
    }
    return WorldSummary(
        directory=root,
        num_train_videos=settings.num_train_videos,
        num_test_videos=settings.num_test_videos,
        num_train_actions=num_actions["train"],
        num_test_actions=num_actions["test"],
        total_seconds=settings.num_videos * settings.num_frames / settings.fps,
    )
