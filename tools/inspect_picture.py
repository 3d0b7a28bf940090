"""What `sharder inspect` shows of a made-up video: the picture beside its page, made smaller.

python -m tools.inspect_picture -o docs/inspect.jpg
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from PIL import Image

from replai.core.errors import exits_cleanly
from sharder.inspect.command import InspectConfig, inspect
from sharder.make_world import make_world
from sharder.world import LEVELS, settings_of

MOMENTS_SHOWN = 2
WIDTH_PIXELS = 1350
JPEG_QUALITY = 62


def draw_page(path: Path, level: str, seed: int) -> None:
    """Draws the last video of a small world."""
    settings = settings_of(
        level, num_train_videos=2, num_test_videos=0, duration_seconds=30.0,
        width=480, height=270, seed=seed,
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        world, page = Path(folder) / "world", Path(folder) / "page.html"
        make_world(settings, str(world), workers=1)
        video = sorted((world / "train").iterdir())[-1]
        config = InspectConfig(moments_shown=MOMENTS_SHOWN)
        inspect(str(video), str(page), "", str(world / "train.csv"), config, workers=1)
        with Image.open(page.with_suffix(".png")) as picture:
            height = round(picture.height * WIDTH_PIXELS / picture.width)
            smaller = picture.convert("RGB").resize(
                (WIDTH_PIXELS, height), Image.Resampling.LANCZOS
            )
    smaller.save(path, quality=JPEG_QUALITY, optimize=True)


@exits_cleanly
def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-o", "--output", type=Path, required=True, help="a .jpg")
    parser.add_argument("--difficulty", choices=list(LEVELS), default="medium")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    draw_page(arguments.output, arguments.difficulty, arguments.seed)


if __name__ == "__main__":
    main()
