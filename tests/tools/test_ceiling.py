"""What the ceiling tool measures is what its clips hold."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from replai.core.errors import UserError
from replai.evaluation.config import LinearConfig
from replai.models import EncodersConfig
from replai.models.audio_cnn import AudioEncoderConfig
from replai.models.r2plus1d import VideoEncoderConfig
from sharder.make_world import make_world
from sharder.world import settings_of
from tools.ceiling import VIEWS, Actions, Recipe, mean_colours, measure, supervised

RECIPE = Recipe(
    encoders=EncodersConfig(
        video=VideoEncoderConfig(width=4, blocks=(1, 1, 1, 1)), audio=AudioEncoderConfig(width=4)
    ),
    crop=16,
    linear=LinearConfig(learning_rate=0.02, num_epochs=100),
    epochs=8,
    batch_size=8,
    learning_rate=0.003,
    seed=0,
)


def _bright_after(count: int, seed: int) -> Actions:
    """Actions whose verb, 0 or 1, is the brightness of the clip after; nouns are hidden."""
    draw = torch.Generator().manual_seed(seed)
    clips = torch.randint(0, 100, (count, 2, 3, 8, 20, 20), generator=draw, dtype=torch.uint8)
    verbs = torch.randint(2, (count,), generator=draw)
    nouns = torch.randint(8, (count,), generator=draw)
    clips[:, 1] += (verbs * 100).to(torch.uint8)[:, None, None, None, None]
    return Actions(clips, torch.stack([verbs, nouns], dim=1))


def test_each_view_tells_what_it_shows() -> None:
    train, test = _bright_after(80, 0), _bright_after(48, 1)
    assert supervised(train, test, RECIPE, "after alone")["verb"] > 85
    assert supervised(train, test, RECIPE, "before alone")["verb"] < 75
    colours = mean_colours(train, test, RECIPE)
    assert colours["verb"] > 90 > 40 > colours["noun"]


def test_a_world_gives_every_row(tmp_path: Path) -> None:
    settings = settings_of(
        "medium", num_train_videos=2, num_test_videos=1, duration_seconds=16.0, width=64,
        height=64, fps=16,
    )  # fmt: skip
    make_world(settings, str(tmp_path / "world"), 1)
    rows = measure(tmp_path / "world", replace(RECIPE, epochs=1, batch_size=2))
    assert set(rows) == {
        "chance", "mean colours, probed", "random encoder, probed", *(f"labels, {v}" for v in VIEWS)
    }  # fmt: skip
    assert all(0 <= value <= 100 for row in rows.values() for value in row.values())
    with pytest.raises(UserError, match=r"train.csv is not there.*sharder world"):
        measure(tmp_path, RECIPE)
