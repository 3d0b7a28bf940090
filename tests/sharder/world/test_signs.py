"""Signs of states: all large, and each kind's own unlike the others'."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from sharder.world import NOUNS, WorldSettings
from sharder.world.builds import Build, draw_palette
from sharder.world.canvas import Canvas
from sharder.world.looks import LOOKS
from sharder.world.motion import object_middle
from sharder.world.objects import HALF_EXTENT, draw_object
from sharder.world.render import UNIT, Scene
from sharder.world.script import write_script
from sharder.world.signs import (
    OWN,
    SHARED,
    Signs,
    paint_halo,
    paint_item,
    paint_lid,
    paint_window,
)  # fmt: skip
from sharder.world.vocabulary import body_of

PALETTE = draw_palette(np.random.default_rng(0), 0.0)
CLOSED = (False, False, False, False)
PIXELS_PER_UNIT = 20.0


def picture(paint: Callable[[Canvas], None], half_extent: float = HALF_EXTENT) -> np.ndarray:
    """What is painted, on grey."""
    canvas = Canvas(
        half_width=half_extent, half_height=half_extent, pixels_per_unit=PIXELS_PER_UNIT
    )
    paint(canvas)
    sprite = canvas.finish()
    return sprite.colour + 128 * sprite.keep


@pytest.mark.parametrize(
    ("kinship", "signs", "least"), [(0, {}, 0.03), (0, OWN, 0.02), (1, OWN, 0.02)]
)
def test_each_attribute_changes_much_of_every_object(
    kinship: int, signs: dict[str, Signs], least: float
) -> None:
    for noun in NOUNS:
        body, shown = body_of(noun, kinship), signs.get(noun, SHARED)
        plain = draw_object(body, CLOSED, PALETTE, Build(), PIXELS_PER_UNIT, shown).colour
        for attribute in range(4):
            state = (attribute == 0, attribute == 1, attribute == 2, attribute == 3)
            changed = draw_object(body, state, PALETTE, Build(), PIXELS_PER_UNIT, shown).colour
            assert (np.abs(changed - plain).max(axis=2) > 40).mean() > least, (noun, attribute)


@pytest.mark.parametrize(
    "paint",
    [
        lambda canvas, signs: paint_halo(canvas, PALETTE, 0.9, signs),
        lambda canvas, signs: paint_item(canvas, PALETTE, signs),
        lambda canvas, signs: paint_window(canvas, PALETTE, 0.32, signs),
        lambda canvas, signs: paint_lid(canvas, PALETTE, LOOKS["box"], True, signs),
    ],
    ids=["halo", "item", "window", "lid"],
)
def test_a_change_looks_otherwise_on_every_kind(paint: Callable[[Canvas, Signs], None]) -> None:
    """The same body, so that all that differs is the signs."""
    pictures = [picture(lambda canvas, n=noun: paint(canvas, OWN[n])) for noun in NOUNS]  # type: ignore[misc]
    for index, one in enumerate(pictures):
        for other in pictures[:index]:
            assert (np.abs(one - other).max(axis=2) > 40).mean() > 0.005


@pytest.mark.parametrize("kinship", [0, 1])
def test_no_open_lid_is_cut_off_or_covers_the_window(kinship: int) -> None:
    margin = round(0.5 * PIXELS_PER_UNIT)
    for noun in NOUNS:
        look = LOOKS[body_of(noun, kinship)]
        seen = picture(
            lambda canvas, n=noun, k=look: paint_lid(canvas, PALETTE, k, True, OWN[n]),  # type: ignore[misc]
            HALF_EXTENT + 0.5,
        )
        painted = (np.abs(seen - 128) > 8).any(axis=2)
        inside = np.zeros_like(painted)
        inside[margin:-margin, margin:-margin] = True
        assert not (painted & ~inside).any(), noun
        middle, half = len(painted) // 2, round(0.35 * PIXELS_PER_UNIT)
        down = middle + round(0.52 * PIXELS_PER_UNIT)
        window = painted[down - half : down + half, middle - half : middle + half]
        assert window.mean() < 0.3, noun


def test_a_world_with_own_signs_paints_them_and_changes_nothing_else() -> None:
    settings = WorldSettings(duration_seconds=6.0, width=128, height=72, fps=16, seed=2)
    script = write_script(settings, 0)
    own = Scene(write_script(replace(settings, own_signs=1), 0))._panorama
    differ = (own != Scene(script)._panorama).any(axis=2)
    assert differ.mean() > 0.005
    for index in range(len(script.objects)):
        middle = np.array(object_middle(script, index))
        top, left = ((middle - HALF_EXTENT * UNIT) * settings.height).astype(int) - 1
        bottom, right = ((middle + HALF_EXTENT * UNIT) * settings.height).astype(int) + 2
        differ[top:bottom, left:right] = False
    assert not differ.any()
