"""The light of a room: its colour, where it comes from, how it drifts, lamps that go on and off."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter1d

from sharder.world.canvas import Floats
from sharder.world.script import Script

Gains = npt.NDArray[np.float32]

SWITCHES_PER_MINUTE = 2.0
SWITCH_SECONDS = 0.15
DRIFT_SECONDS = 2.0


def light_path(script: Script) -> Gains | None:
    """Return what each frame's RGB is multiplied by, float32 [num_frames, 3]; None: nothing."""
    strength = script.settings.lighting
    if not strength:
        return None
    chance = script.generator("light")
    count, fps = script.settings.num_frames, script.settings.fps
    tint = chance.uniform(-0.25, 0.25) * strength
    cast = np.array([1.0 + tint, 1.0, 1.0 - tint]) * chance.uniform(1.0 - 0.25 * strength, 1.1)
    drift = gaussian_filter1d(chance.standard_normal(count), DRIFT_SECONDS * fps, mode="wrap")
    drift *= np.sqrt(2 * DRIFT_SECONDS * fps * np.sqrt(np.pi))
    lamp = _lamp(chance, count, fps, SWITCHES_PER_MINUTE * strength)
    level = (1.0 + 0.08 * strength * drift) * (1.0 - 0.25 * strength * lamp)
    return np.asarray(np.clip(level, 0.2, 1.5)[:, None] * cast, np.float32)


def _lamp(
    chance: np.random.Generator, count: int, fps: int, per_minute: float
) -> npt.NDArray[np.float64]:
    """Return 0 where a lamp is on and 1 where it is off, with short slopes, [count]."""
    switched = chance.random(count) < per_minute / 60 / fps
    is_off = (np.cumsum(switched) + chance.integers(2)) % 2
    return np.asarray(gaussian_filter1d(is_off.astype(np.float64), SWITCH_SECONDS * fps / 2))


def draw_shade(script: Script, height: int, width: int) -> Floats | None:
    """Return how bright each place of the panorama is, float32 [height, width, 1]; None: alike."""
    strength = script.settings.lighting
    if not strength:
        return None
    chance = script.generator("shade")
    middle = chance.uniform(0.0, width), chance.uniform(0.0, height)
    across = (np.arange(width)[None, :] - middle[0]) / (1.5 * height)
    down = (np.arange(height)[:, None] - middle[1]) / (1.5 * height)
    lit = np.exp(-(across**2) - down**2)
    return np.asarray(1.0 - 0.4 * strength * (1.0 - lit[:, :, None]), np.float32)
