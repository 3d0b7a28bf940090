"""A page of pictures of the made-up world: `python -m tools.world_picture -o docs/world.jpg`.

The kinds of object, the verbs with their sounds, one video in time, and the three levels.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from scipy.signal import spectrogram

from replai.core.errors import exits_cleanly
from sharder.world import LEVELS, NOUNS, VERBS, WorldSettings, settings_of
from sharder.world.canvas import Pixels
from sharder.world.impact import SAMPLE_RATE_HZ, impact_wave
from sharder.world.objects import Build, draw_build, draw_object, draw_palette
from sharder.world.render import Scene, render
from sharder.world.script import Script, write_script
from sharder.world.sound import synthesise
from sharder.world.vocabulary import ATTRIBUTES, State

matplotlib.use("Agg")
import matplotlib.pyplot as plt

GREY = 150
FPS = 16
VIDEO_SECONDS = 45.0
NUM_STRIP = 9
SHOWN_NOUN, OTHER_NOUN = "jar", "drum"


def draw_page(path: Path, level: str, seed: int) -> None:
    """Draws the page, about 1100 by 1300 pixels."""
    figure = plt.figure(figsize=(11, 13.5), layout="constrained")
    parts: Any = figure.subfigures(4, 1, height_ratios=(2.6, 3.6, 3.3, 4.6))
    settings = _settings(level, VIDEO_SECONDS, seed)
    _nouns(parts[0], settings)
    _verbs(parts[1], settings)
    _video(parts[2], settings, level)
    _levels(parts[3], seed)
    figure.savefig(path, dpi=80, pil_kwargs={"quality": 38, "optimize": True})
    plt.close(figure)


def _settings(level: str, seconds: float, seed: int) -> WorldSettings:
    return settings_of(level, duration_seconds=seconds, seed=seed, width=192, height=144, fps=FPS)


def _nouns(part: Any, settings: WorldSettings) -> None:
    part.suptitle("Nouns: outline, texture, resonance. Below, others of the kind.", fontsize=11)
    axes = part.subplots(2, len(NOUNS))
    for column, noun in enumerate(NOUNS):
        for row in range(2):
            chance = np.random.default_rng(10 * column + row)
            build = draw_build(chance, settings.variety) if row else Build()
            state = (bool(row and column % 2), False, False, bool(row))
            _show(axes[row, column], _on_grey(noun, state, build, row * settings.variety, chance))
        axes[0, column].set_title(noun, fontsize=10)


def _verbs(part: Any, settings: WorldSettings) -> None:
    part.suptitle(
        "Verbs come in inverse pairs: what was done is seen in the change alone, "
        "and heard with the noun's own pitch and ringing.",
        fontsize=11,
    )
    axes = part.subplots(3, 2 * len(ATTRIBUTES))
    chance = np.random.default_rng(5)
    state = np.random.default_rng(1)
    for pair in range(len(ATTRIBUTES)):
        others = [bool(bit) for bit in state.integers(0, 2, len(ATTRIBUTES))]
        build, palette_seed = draw_build(chance, settings.variety), int(chance.integers(1000))
        for inverse in (0, 1):
            column, verb = 2 * pair + inverse, VERBS[2 * pair + inverse]
            others[pair] = bool(inverse)
            before = others[0], others[1], others[2], others[3]
            colours = np.random.default_rng(palette_seed)
            picture = _on_grey(SHOWN_NOUN, before, build, settings.variety, colours)
            axes[0, column].set_title(f"before {verb}", fontsize=9)
            _show(axes[0, column], picture)
            for row, noun in ((1, SHOWN_NOUN), (2, OTHER_NOUN)):
                wave = impact_wave(verb, noun, np.random.default_rng(0), settings.coupling)
                _show_sound(axes[row, column], wave)
                axes[row, column].set_title(f"{verb} {noun}", fontsize=8)


def _video(part: Any, settings: WorldSettings, level: str) -> None:
    script = _eventful(settings)
    part.suptitle(
        f"{VIDEO_SECONDS:.0f} s of a {level} video: interactions, and distractors that are a hand, "
        "a change or a sound alone. Talk and music lie below.",
        fontsize=11,
    )
    top, bottom = part.subfigures(2, 1, height_ratios=(2.0, 1.0))
    axis = top.subplots()
    sound = synthesise(script).mean(axis=0)
    _show_sound(axis, sound, nperseg=1024, top_hz=8000)
    labels = [(one.seconds, "white", f"{one.verb} {one.noun}") for one in script.interactions]
    labels += [(one.seconds, "#ff77ff", "hand alone") for one in script.reaches]
    labels += [(one.seconds, "#66ddff", "change alone") for one in script.silent_changes]
    labels += [(one.seconds, "#ffcc44", "sound alone") for one in script.offscreen]
    for seconds, colour, text in labels:
        axis.axvline(seconds, color=colour, linewidth=1.2, linestyle="--")
        axis.text(seconds + 0.2, 7700, text, color=colour, fontsize=8, rotation=90, va="top")
    axis.set_xticks(range(0, int(VIDEO_SECONDS) + 1, 5))
    axis.set_xlabel("seconds", fontsize=8)
    frames = list(render(script))
    shown = [frames[int((i + 0.5) * len(frames) / NUM_STRIP)] for i in range(NUM_STRIP)]
    _show(bottom.subplots(), _beside(shown))


def _levels(part: Any, seed: int) -> None:
    part.suptitle("0.35 s before and after a contact, three of each level.", fontsize=11)
    axes = part.subplots(len(LEVELS), 3)
    for row, level in enumerate(LEVELS):
        settings = _settings(level, 20.0, seed)
        for number in range(3):
            script = write_script(settings, number + 3)
            action = script.interactions[-1]
            _show(axes[row, number], _beside(_around(script, Scene(script), action.seconds)))
            title = f"{level}: {action.verb} {action.noun}"
            axes[row, number].set_title(title, fontsize=9)


def _beside(pictures: list[Pixels]) -> Pixels:
    gap = np.full((len(pictures[0]), 4, 3), 255, np.uint8)
    return np.concatenate([part for picture in pictures for part in (picture, gap)][:-1], axis=1)


def _around(script: Script, scene: Scene, seconds: float) -> list[Pixels]:
    """The frames 0.35 s before and after the last change."""
    for change in script.changes:
        if change.seconds < seconds:
            scene.change(change.object_index, change.state_after)
    before = scene.frame(round((seconds - 0.35) * FPS))
    last = next(change for change in script.changes if change.seconds == seconds)
    scene.change(last.object_index, last.state_after)
    return [before, scene.frame(round((seconds + 0.35) * FPS))]


def _eventful(settings: WorldSettings) -> Script:
    """The first video in which there is some of everything."""
    scripts = [write_script(replace(settings, num_train_videos=200), i) for i in range(200)]
    return max(
        scripts,
        key=lambda one: min(len(one.reaches), len(one.silent_changes), len(one.offscreen), 1),
    )


def _on_grey(
    noun: str, state: State, build: Build, variety: float, chance: np.random.Generator
) -> Pixels:
    picture = np.full((128, 128, 3), GREY, np.uint8)
    sprite = draw_object(noun, state, draw_palette(chance, variety), build, 42.0)
    height, width = sprite.keep.shape[:2]
    sprite.paste(picture, 118 - round(height * 5 / 6), 64 - width // 2)
    return picture


def _show(axis: Any, picture: Pixels) -> None:
    axis.imshow(picture, interpolation="bilinear")
    axis.set_axis_off()


def _show_sound(axis: Any, wave: Any, nperseg: int = 512, top_hz: float = 7000) -> None:
    hertz, seconds, power = spectrogram(wave, SAMPLE_RATE_HZ, nperseg=nperseg)
    heard = hertz <= top_hz
    level = 10 * np.log10(power[heard] + 1e-12)
    low, high = (-85, -45)
    axis.pcolormesh(seconds, hertz[heard], level, vmin=low, vmax=high, cmap="magma",
                    rasterized=True)  # fmt: skip
    axis.set_yticks([])
    axis.set_xticks([])


@exits_cleanly
def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-o", "--output", type=Path, required=True, help="a .jpg or .png")
    parser.add_argument("--difficulty", choices=list(LEVELS), default="medium")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    draw_page(arguments.output, arguments.difficulty, arguments.seed)


if __name__ == "__main__":
    main()
