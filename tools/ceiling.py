"""What a made-up world's labels can teach: `python -m tools.ceiling --world DIR`.

Trains the video encoder of a run's config from labels, on the clips before and after each
contact; then on the clips before alone and after alone, which must not tell the verb; and probes a
random encoder and mean colours, linearly. The test split is used once, at the end of each.
"""

from __future__ import annotations

import argparse
import csv
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from rich.console import Console
from rich.progress import track
from rich.table import Table
from torch import Tensor, nn

from replai.core.config import load_config
from replai.core.errors import UserError, exits_cleanly
from replai.core.record import VideoFacts
from replai.evaluation.config import LinearConfig, Method, ProbeConfig, ScoringConfig
from replai.evaluation.evaluate import evaluate
from replai.evaluation.features import Features, Task
from replai.media.decode import read_views
from replai.media.scale import Geometry
from replai.media.video import ClipRequest
from replai.models import Encoders, EncodersConfig
from replai.stream.crops import CropConfig, centre_crop
from replai.training.config import RunConfig
from sharder.world import NOUNS, VERBS

CLIP_SECONDS, DELTA_SECONDS, NUM_FRAMES = 0.5, 0.1, 8
CLIP_STARTS = (-DELTA_SECONDS - CLIP_SECONDS, DELTA_SECONDS)
NUM_CLASSES = (len(VERBS), len(NOUNS))
TASKS = ("verb", "noun")
VIEWS = {"before and after": (0, 1), "before alone": (0,), "after alone": (1,)}
Row = dict[str, float]


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How the classifiers and the probes are trained."""

    encoders: EncodersConfig
    crop: int
    """Side of what the encoder sees, pixels."""
    linear: LinearConfig
    epochs: int
    batch_size: int
    learning_rate: float
    seed: int


@dataclass(frozen=True)
class Actions:
    """Clips uint8 [N, 2, 3, T, H, W], before and after each contact; labels int64 [N, 2]."""

    clips: Tensor
    labels: Tensor


def read_actions(world: Path, split: str, side: int) -> Actions:
    """The clips around every action of a split, the square middle of the frames, `side` pixels.

    Raises UserError if there is no such split.
    """
    table = world / f"{split}.csv"
    if not table.is_file():
        raise UserError(f"{table} is not there; make a world with `sharder world -o {world}`")
    with table.open(newline="") as file:
        rows = list(csv.DictReader(file))
    whole = _square(world, side)
    clips: list[Tensor] = []
    for row in track(rows, f"{split}: {len(rows)} actions", console=Console(stderr=True)):
        data = (world / split / f"{row['video_id']}.mp4").read_bytes()
        clips.append(_clips(data, _seconds(row["narration_timestamp"]), whole))
    labels = [[int(row["verb_class"]), int(row["noun_class"])] for row in rows]
    return Actions(torch.stack(clips), torch.tensor(labels))


def _square(world: Path, side: int) -> Geometry:
    """The middle of the world's frames, `side` pixels high and wide."""
    settings = json.loads((world / "world.json").read_text())["settings"]
    width, height, fps = settings["width"], settings["height"], settings["fps"]
    video = VideoFacts(width=width, height=height, fps=fps, codec="h264")
    return centre_crop(video, CropConfig(size_pixels=side, min_short_side=side))


def _clips(data: bytes, contact_seconds: float, whole: Geometry) -> Tensor:
    requests = [
        ClipRequest(contact_seconds + start, CLIP_SECONDS, NUM_FRAMES, whole)
        for start in CLIP_STARTS
    ]
    views, _ = read_views(data, requests, [])
    return torch.from_numpy(np.stack(views))


def _seconds(timestamp: str) -> float:
    hours, minutes, seconds = timestamp.split(":")
    return 3600 * int(hours) + 60 * int(minutes) + float(seconds)


class Classifier(nn.Module):
    """The encoder of a run and a linear verb and noun head on the features of its clips."""

    def __init__(self, form: EncodersConfig, num_clips: int) -> None:
        super().__init__()
        self.encoders = Encoders(form)
        width = num_clips * self.encoders.video.feature_dim
        self.heads = nn.ModuleList(nn.Linear(width, count) for count in NUM_CLASSES)

    def forward(self, clips: Tensor) -> tuple[Tensor, ...]:
        """Logits [B, classes] of each task for clips uint8 [B, num_clips, 3, T, H, W]."""
        features = self.encoders.encode_video(clips.flatten(0, 1))
        joined = features.reshape(len(clips), -1)
        return tuple(head(joined) for head in self.heads)


def supervised(train: Actions, test: Actions, recipe: Recipe, view: str) -> Row:
    """Top-1 accuracies in % of a classifier trained from labels on the clips of a view."""
    torch.manual_seed(recipe.seed)
    places = list(VIEWS[view])
    model = Classifier(recipe.encoders, len(places))
    steps = recipe.epochs * max(len(train.clips) // recipe.batch_size, 1)
    optimizer = torch.optim.AdamW(model.parameters(), lr=recipe.learning_rate, weight_decay=0.1)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, recipe.learning_rate, steps)
    draw = torch.Generator().manual_seed(recipe.seed)
    model.train()
    for step in track(range(steps), view, console=Console(stderr=True)):
        place = step % max(len(train.clips) // recipe.batch_size, 1)
        if not place:
            order = torch.randperm(len(train.clips), generator=draw)
        rows = order[place * recipe.batch_size : (place + 1) * recipe.batch_size]
        clips = _augmented(train.clips[rows][:, places], recipe.crop, draw)
        logits = model(clips)
        losses = [F.cross_entropy(x, train.labels[rows, i]) for i, x in enumerate(logits)]
        optimizer.zero_grad()
        torch.stack(losses).mean().backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
    return _score(model.eval(), test.clips[:, places], test.labels, recipe.crop)


def _augmented(clips: Tensor, crop: int, draw: torch.Generator) -> Tensor:
    """One random place and flip for each action: uint8 [B, V, 3, T, crop, crop]."""
    room = clips.shape[-1] - crop + 1
    cut = []
    for clip in clips:
        top, left = torch.randint(room, (2,), generator=draw).tolist()
        flip = torch.randint(2, (1,), generator=draw).item()
        part = clip[..., top : top + crop, left : left + crop]
        cut.append(part.flip(-1) if flip else part)
    return torch.stack(cut)


def _middle(clips: Tensor, crop: int) -> Tensor:
    edge = (clips.shape[-1] - crop) // 2
    return clips[..., edge : edge + crop, edge : edge + crop]


@torch.no_grad()
def _score(model: nn.Module, clips: Tensor, labels: Tensor, crop: int) -> Row:
    parts = [model(_middle(part, crop)) for part in torch.split(clips, 64)]
    logits = [torch.cat(task) for task in zip(*parts, strict=True)]
    right = [x.argmax(1) == labels[:, i] for i, x in enumerate(logits)]
    return {task: 100 * float(right[i].float().mean()) for i, task in enumerate(TASKS)}


@torch.no_grad()
def random_encoder(train: Actions, test: Actions, recipe: Recipe) -> Row:
    """Probe of the features of an encoder as it was drawn."""
    torch.manual_seed(recipe.seed)
    encoders = Encoders(recipe.encoders).eval()

    def features(actions: Actions) -> Features:
        parts = [
            encoders.encode_video(_middle(part, recipe.crop).flatten(0, 1)).reshape(len(part), -1)
            for part in torch.split(actions.clips, 64)
        ]
        return _features(torch.cat(parts), actions)

    return _probe(features(train), features(test), recipe)


def mean_colours(train: Actions, test: Actions, recipe: Recipe) -> Row:
    """Probe of the mean and deviation of each clip's colours."""

    def features(actions: Actions) -> Features:
        parts = [
            _middle(part, recipe.crop).float().flatten(3) for part in torch.split(actions.clips, 64)
        ]
        values = torch.cat([torch.cat([p.mean(3), p.std(3)], 2).flatten(1) for p in parts])
        return _features(values, actions)

    return _probe(features(train), features(test), recipe)


def _features(values: Tensor, actions: Actions) -> Features:
    """What a probe is given of values float32 [N, D]; each action counts by itself."""
    names = zip(TASKS, (VERBS, NOUNS), strict=True)
    tasks = tuple(Task(task, dict(enumerate(classes))) for task, classes in names)
    return Features(values[:, None], actions.labels, np.arange(len(values)).astype(str), tasks)


@torch.enable_grad()
def _probe(train: Features, test: Features, recipe: Recipe) -> Row:
    scoring = ScoringConfig(linear=recipe.linear)
    figures = evaluate(train, test, Method.sgd, scoring, recipe.seed).figures
    return {task: figures[f"{task}_top1"].percent for task in TASKS}


def measure(world: Path, recipe: Recipe) -> dict[str, Row]:
    """Every row of the table, by its name; accuracies in %."""
    side = recipe.crop + recipe.crop // 4
    train, test = (read_actions(world, split, side) for split in ("train", "test"))
    rows = {"chance": {task: 100 / count for task, count in zip(TASKS, NUM_CLASSES, strict=True)}}
    rows["mean colours, probed"] = mean_colours(train, test, recipe)
    rows["random encoder, probed"] = random_encoder(train, test, recipe)
    for view in VIEWS:
        rows[f"labels, {view}"] = supervised(train, test, recipe, view)
    return rows


def show(rows: dict[str, Row], world: Path) -> None:
    """Prints the table, and where the random encoder stands between chance and ceiling."""
    table = Table(title=f"top-1 on the test split of {world}, %", title_justify="left")
    for name in ("", *TASKS):
        table.add_column(name)
    for name, row in rows.items():
        table.add_row(name, *(f"{row[task]:.1f}" for task in TASKS))
    Console().print(table)
    for task in TASKS:
        low, high = rows["chance"][task], rows["labels, before and after"][task]
        share = (rows["random encoder, probed"][task] - low) / max(high - low, 1e-9)
        print(f"{task}: a random encoder's probe goes {100 * share:.0f}% of the way to the ceiling")


@exits_cleanly
def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--world", type=Path, required=True)
    parser.add_argument("--config", default="configs/demo.yaml", help="whose encoders, which crop")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--learning-rate", type=float, default=0.003)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, help="where to write the rows")
    arguments = parser.parse_args()
    run = load_config(RunConfig, arguments.config, ["out=none", "data.root=none"])
    unused = [f"{name}=none" for name in ("checkpoint", "train_root", "test_root", "out")]
    probe = load_config(ProbeConfig, "configs/probe/demo.yaml", unused)
    torch.set_num_threads(arguments.threads)
    recipe = Recipe(
        encoders=run.encoders,
        crop=run.data.crop.size_pixels,
        linear=probe.linear,
        epochs=arguments.epochs,
        batch_size=arguments.batch_size,
        learning_rate=arguments.learning_rate,
        seed=arguments.seed,
    )
    rows = measure(arguments.world, recipe)
    show(rows, arguments.world)
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
