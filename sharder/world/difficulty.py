"""How hard a world is: what varies, and what happens besides the interactions.

An interaction is a hand, a visible change and a sound, all at one time. Distractors are each of
them alone: a hand that reaches and does nothing, a change without a hand or a sound, a sound from
another room. The defaults are the easy world, in which there are none.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Difficulty:
    """Settings that make a world harder; 0 (and 1 for `head_motion`) is the easy world."""

    snr_db: float = 20.0
    """Mean power of an impact's first 50 ms over the mean power of the background, in dB."""

    mean_gap_seconds: float = 3.2
    """Mean time between two contacts, long idle stretches not counted."""

    idle_probability: float = 0.08
    """Chance that a gap is lengthened by a long idle stretch of 4 to 10 s."""

    variety: float = 0.0
    """How much things of one kind differ in size, proportions, pattern and colours, 0 to 1."""

    twin_probability: float = 0.0
    """Chance of each object to be of its left neighbour's kind, in a state of its own."""

    clutter: int = 0
    """Mean number of nameless things that stand about, in the patterns of the objects."""

    lighting: float = 0.0
    """How much the light differs from room to room, across a room and in time, 0 to 1."""

    head_motion: float = 1.0
    """How far the gaze wanders, over that of the easy world."""

    second_hand_probability: float = 0.0
    """Chance that the left hand comes along."""

    reaches_per_minute: float = 0.0
    """Hands that come, touch and change nothing, without a sound."""

    silent_changes_per_minute: float = 0.0
    """Objects that change by themselves, without a hand or a sound."""

    offscreen_per_minute: float = 0.0
    """Interactions that are heard, muffled as through a wall, and never seen."""

    talk_share: float = 0.0
    """Share of the time in which somebody talks, 0 to 1."""

    music_probability: float = 0.0
    """Chance that music plays throughout a video."""

    distractor_db: float = 16.0
    """Power of an impact over that of talk, music and off-screen impacts, in dB."""

    coupling: float = 0.0
    """How much the kind of object bends and colours the sound of what is done to it, 0 to 1."""

    running_loudness: float = 0.0
    """Amplitude of the hum of an object that is on, when looked at, over an impact's; 0 to 1."""


LEVELS: dict[str, dict[str, float]] = {
    "easy": {},
    "medium": {
        "mean_gap_seconds": 5.0,
        "idle_probability": 0.25,
        "variety": 0.5,
        "twin_probability": 0.3,
        "clutter": 12,
        "lighting": 0.5,
        "head_motion": 1.5,
        "second_hand_probability": 0.4,
        "reaches_per_minute": 2.0,
        "silent_changes_per_minute": 2.0,
        "offscreen_per_minute": 2.0,
        "talk_share": 0.15,
        "music_probability": 0.25,
        "coupling": 1.0,
        "running_loudness": 0.25,
    },
    "hard": {
        "snr_db": 12.0,
        "mean_gap_seconds": 6.0,
        "idle_probability": 0.4,
        "variety": 1.0,
        "twin_probability": 0.5,
        "clutter": 24,
        "lighting": 1.0,
        "head_motion": 2.5,
        "second_hand_probability": 0.7,
        "reaches_per_minute": 3.0,
        "silent_changes_per_minute": 6.0,
        "offscreen_per_minute": 6.0,
        "talk_share": 0.4,
        "music_probability": 0.5,
        "distractor_db": 10.0,
        "coupling": 1.0,
        "running_loudness": 0.15,
    },
}
"""What differs from the easy world, by the name of the level."""
