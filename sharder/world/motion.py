"""Where the gaze rests and where the hand is, frame by frame. Lengths in frame heights.

Hand and gaze are alike before and after a contact (the hand hovers, touches, hovers), so what
changed is told by the object, not by a movement.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.interpolate import PchipInterpolator
from scipy.ndimage import gaussian_filter1d

from sharder.world.distractors import Reach
from sharder.world.script import Interaction, Script

Path = npt.NDArray[np.float64]

OBJECT_SPACING = 0.86
"""Between the middles of neighbouring objects: no picture of one reaches into the next."""

PANORAMA_HEIGHT = 1.4
OBJECT_MIDDLE = 0.66
"""Height of the panorama, and of the objects' middle in it, from its top."""

ARRIVAL_SECONDS = 0.85
RISE_SECONDS = 0.35

RIGHT_REST = (0.23, 0.17)
LEFT_REST = (0.3, -0.46)
"""Where a fingertip hovers, (down, across) from the object's middle: the left one beside it."""


@dataclass(frozen=True, kw_only=True)
class Hand:
    """The hand's way."""

    offset: Path
    """From the acted-on object's middle to the fingertip, (down, across), [num_frames, 2]."""

    object_index: npt.NDArray[np.int64]
    """The object it reaches for, [num_frames]; -1 where there is no hand."""


def panorama_width(script: Script) -> float:
    """Return the width of all that can be looked at, in frame heights."""
    aspect = script.settings.width / script.settings.height
    return aspect + OBJECT_SPACING * (len(script.objects) - 1) + 0.3


def object_middle(script: Script, object_index: int) -> tuple[float, float]:
    """Return where an object's middle is in the panorama, (down, across)."""
    first = (panorama_width(script) - OBJECT_SPACING * (len(script.objects) - 1)) / 2
    return OBJECT_MIDDLE, first + OBJECT_SPACING * script.objects[object_index].place


def gaze_path(script: Script) -> Path:
    """Return the middle of each frame in the panorama, (down, across), [num_frames, 2]."""
    chance = script.generator("gaze")
    times, places = _gaze_keys(script, chance)
    seconds = frame_seconds(script)
    path = np.asarray(PchipInterpolator(times, places)(seconds), np.float64)
    fps = script.settings.fps
    head = script.settings.head_motion
    path += _wander(chance, len(seconds), fps, period_seconds=0.7, size=0.02 * head)
    path += _wander(chance, len(seconds), fps, period_seconds=0.12, size=0.005 * head)
    return _keep_inside(script, path)


def frame_seconds(script: Script) -> Path:
    """Return when each frame comes on screen, [num_frames]."""
    return np.arange(script.settings.num_frames) / script.settings.fps


def _gaze_keys(script: Script, chance: np.random.Generator) -> tuple[Path, Path]:
    """Return times and places the gaze passes: it rests on the object around each contact."""
    times, places = [-1.0], [_anywhere(script, chance)]
    reach = 0.04 * script.settings.head_motion
    for visit in script.visits:
        start, stop = visit.seconds - ARRIVAL_SECONDS, visit.seconds + ARRIVAL_SECONDS
        while start - times[-1] > 2.0:
            times.append(times[-1] + chance.uniform(0.8, 1.2))
            places.append(_anywhere(script, chance))
        middle = np.asarray(object_middle(script, visit.object_index))
        place = middle + chance.uniform(-reach, reach, 2)
        times += [start, stop]
        places += [place, place]
    times.append(max(times[-1], script.settings.duration_seconds) + 1.0)
    places.append(_anywhere(script, chance))
    return np.asarray(times), np.stack(places)


def _anywhere(script: Script, chance: np.random.Generator) -> Path:
    across = chance.uniform(0.0, panorama_width(script))
    return np.array([OBJECT_MIDDLE + chance.uniform(-0.15, 0.2), across])


def _keep_inside(script: Script, path: Path) -> Path:
    aspect = script.settings.width / script.settings.height
    low = np.array([0.5, aspect / 2])
    high = np.array([PANORAMA_HEIGHT - 0.5, panorama_width(script) - aspect / 2])
    return np.clip(path, low, high)


def _wander(
    chance: np.random.Generator, count: int, fps: int, *, period_seconds: float, size: float
) -> Path:
    """Return smooth random motion about zero with the given deviation, [count, 2]."""
    steps = chance.standard_normal((count, 2))
    width = period_seconds * fps / 2
    smooth = gaussian_filter1d(steps, width, axis=0, mode="wrap")
    # Smoothing white noise with a Gaussian of deviation w scales it by 1 / sqrt(2 w sqrt(pi)).
    gain = float(np.sqrt(2 * max(width, 0.28) * np.sqrt(np.pi)))
    return np.asarray(smooth * gain * size, np.float64)


def hand_path(script: Script) -> Hand:
    """Return where the right hand is in each frame: the one that touches."""
    return _hand_path(script, script.generator("hand"), script.visits, RIGHT_REST)


def second_hand_path(script: Script) -> Hand:
    """Return where the left hand is in each frame: it comes along to some of the contacts."""
    chance = script.generator("second hand")
    comes = script.settings.second_hand_probability
    visits = [visit for visit in script.visits if chance.random() < comes]
    return _hand_path(script, chance, visits, LEFT_REST)


def _hand_path(
    script: Script,
    chance: np.random.Generator,
    visits: Sequence[Interaction | Reach],
    rest: tuple[float, float],
) -> Hand:
    seconds = frame_seconds(script)
    offset = _wander(chance, len(seconds), script.settings.fps, period_seconds=0.4, size=0.012)
    index = np.full(len(seconds), -1, np.int64)
    push = np.array([0.05, np.copysign(0.05, rest[1])])
    for visit in visits:
        height = _raised(visit.seconds, seconds, chance)
        near = np.abs(seconds - visit.seconds) < ARRIVAL_SECONDS + RISE_SECONDS + 0.05
        offset[near] += np.array(rest) + chance.uniform(-0.02, 0.02, 2)
        offset[near, 0] += 0.8 * (1.0 - height[near])
        offset[near] -= push * _touch(visit.seconds, seconds[near])[:, None]
        index[near] = np.where(height[near] > 0.0, visit.object_index, -1)
    return Hand(offset=offset, object_index=index)


def _raised(contact_seconds: float, seconds: Path, chance: np.random.Generator) -> Path:
    """Return how far the hand has come up, 0 (out of sight) to 1 (at the object)."""
    lead, tail = chance.uniform(0.5, ARRIVAL_SECONDS, 2)
    since = seconds - contact_seconds
    up = np.clip((since + lead + RISE_SECONDS) / RISE_SECONDS, 0.0, 1.0)
    down = np.clip((tail + RISE_SECONDS - since) / RISE_SECONDS, 0.0, 1.0)
    part = np.minimum(up, down)
    return np.asarray(part * part * (3.0 - 2.0 * part), np.float64)


def _touch(contact_seconds: float, seconds: Path) -> Path:
    """Return how far the fingertip is pushed forward, 1 at the contact, 0 from 0.12 s off."""
    return np.asarray(np.clip(1.0 - np.abs(seconds - contact_seconds) / 0.12, 0.0, 1.0))
