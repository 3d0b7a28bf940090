"""What happens in a video: which objects stand where, and who is acted on when. Pure.

  t-1.25     t-0.85                t                 t+0.85    t+1.25
────┼──────────┼──────[ hand hovers ● touches ]────────┼─────────┼────
 hand may    gaze has            contact:           gaze may   hand is
 appear      arrived             state, sound       leave      gone
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sharder.world.distractors import (
    CHANGE_CLEARANCE_SECONDS,
    MARGIN_SECONDS,
    OFFSCREEN_CLEARANCE_SECONDS,
    REACH_CLEARANCE_SECONDS,
    Offscreen,
    Reach,
    SilentChange,
    draw_offscreen,
    free_times,
)
from sharder.world.randomness import generator
from sharder.world.settings import WorldSettings
from sharder.world.table import SceneObject, add_twins, set_table
from sharder.world.vocabulary import VERBS, State, apply_verb, is_possible

VIDEOS_PER_PARTICIPANT = 4


@dataclass(frozen=True, kw_only=True)
class Interaction:
    """One action: at `seconds` the hand touches, the state changes and the sound begins."""

    seconds: float
    """Contact time from the start of the video, a whole number of milliseconds."""

    start_seconds: float
    stop_seconds: float
    """The annotated span, about 0.7 s either side, to a hundredth of a second."""

    verb: str
    noun: str
    object_index: int
    state_before: State
    state_after: State


@dataclass(frozen=True, kw_only=True)
class Script:
    """All that is decided about a video before a pixel or a sample of it is made."""

    settings: WorldSettings
    video_index: int
    """Counted over both splits, training first."""

    split: str
    """train or test."""

    participant_id: str
    """P01 ...: no participant is in both splits."""

    video_id: str
    """P01_01 ..."""

    objects: tuple[SceneObject, ...]
    interactions: tuple[Interaction, ...]
    """In order of time."""

    silent_changes: tuple[SilentChange, ...]
    reaches: tuple[Reach, ...]
    offscreen: tuple[Offscreen, ...]
    """Distractors, in order of time."""

    @property
    def visits(self) -> list[Interaction | Reach]:
        """Return what hand and gaze come for, in order of time."""
        return sorted((*self.interactions, *self.reaches), key=lambda visit: visit.seconds)

    @property
    def changes(self) -> list[Interaction | SilentChange]:
        """Return all that changes an object, in order of time."""
        return sorted((*self.interactions, *self.silent_changes), key=lambda change: change.seconds)

    def num_samples(self, sample_rate_hz: int) -> int:
        """Return how many samples of sound the video has."""
        return round(self.settings.num_frames / self.settings.fps * sample_rate_hz)

    def generator(self, purpose: str) -> np.random.Generator:
        """Return this video's random generator for one purpose."""
        return generator(self.settings.seed, self.video_index, purpose)


def write_script(settings: WorldSettings, video_index: int) -> Script:
    """Return the script of one video; raise ValueError for an index outside the world."""
    if not 0 <= video_index < settings.num_videos:
        limit = settings.num_videos
        raise ValueError(f"video_index is {video_index}, must lie in [0, {limit})")
    split, participant_id, video_id = _identity(settings, video_index)

    def chance(purpose: str) -> np.random.Generator:
        return generator(settings.seed, video_index, purpose)

    objects = add_twins(set_table(chance("objects")), settings.twin_probability, chance("twins"))
    contacts = _contact_times(settings, chance("times"))

    def free(what: str, per_minute: float, clearance_seconds: float) -> list[float]:
        duration = settings.duration_seconds
        return free_times(chance(what), per_minute, duration, contacts, clearance_seconds)

    changing = free("changes", settings.silent_changes_per_minute, CHANGE_CLEARANCE_SECONDS)
    reaching = free("reaches", settings.reaches_per_minute, REACH_CLEARANCE_SECONDS)
    outside = free("outside", settings.offscreen_per_minute, OFFSCREEN_CLEARANCE_SECONDS)
    interactions, changes = _act(objects, contacts, changing, chance("actions"), chance("silent"))
    return Script(
        settings=settings,
        video_index=video_index,
        split=split,
        participant_id=participant_id,
        video_id=video_id,
        objects=objects,
        interactions=interactions,
        silent_changes=changes,
        reaches=_reach(len(objects), reaching, chance("reached")),
        offscreen=draw_offscreen(chance("heard"), outside),
    )


def _identity(settings: WorldSettings, video_index: int) -> tuple[str, str, str]:
    """Return (split, participant id, video id); test people follow the training ones."""
    is_test = video_index >= settings.num_train_videos
    place = video_index - settings.num_train_videos if is_test else video_index
    first_person = -(-settings.num_train_videos // VIDEOS_PER_PARTICIPANT) if is_test else 0
    person, video = divmod(place, VIDEOS_PER_PARTICIPANT)
    participant_id = f"P{first_person + person + 1:02d}"
    return "test" if is_test else "train", participant_id, f"{participant_id}_{video + 1:02d}"


def _contact_times(settings: WorldSettings, chance: np.random.Generator) -> list[float]:
    """Return contact times, in milliseconds exactly, at least `min_gap_seconds` apart."""
    times = []
    seconds = MARGIN_SECONDS + chance.uniform(0.0, 0.5)
    while seconds <= settings.duration_seconds - MARGIN_SECONDS:
        times.append(round(seconds, 3))
        seconds = times[-1] + _gap(settings, chance)
    return times


def _gap(settings: WorldSettings, chance: np.random.Generator) -> float:
    """Return a gap: uniform about its mean, now and then with a long idle stretch after it."""
    spread = settings.mean_gap_seconds - settings.min_gap_seconds
    gap = settings.min_gap_seconds + chance.uniform(0.0, 2.0 * spread) + 0.001
    if chance.random() < settings.idle_probability:
        gap += chance.uniform(4.0, 10.0)
    return float(gap)


def _act(
    objects: tuple[SceneObject, ...],
    contacts: list[float],
    changing: list[float],
    chance: np.random.Generator,
    silent_chance: np.random.Generator,
) -> tuple[tuple[Interaction, ...], tuple[SilentChange, ...]]:
    """Return what is done, and what changes by itself, at these times."""
    states = [item.initial_state for item in objects]
    interactions: list[Interaction] = []
    changes: list[SilentChange] = []
    previous = -1
    for seconds, is_contact in sorted(
        [(time, True) for time in contacts] + [(time, False) for time in changing]
    ):
        if is_contact:
            index = int(chance.choice([i for i in range(len(objects)) if i != previous]))
            verb, after = _possible_verb(states[index], chance)
            interactions.append(
                _interaction(seconds, objects[index].noun, index, verb, states[index], chance)
            )
            previous = index
        else:
            index = int(silent_chance.integers(len(objects)))
            _, after = _possible_verb(states[index], silent_chance)
            changes.append(SilentChange(seconds=seconds, object_index=index, state_after=after))
        states[index] = after
    return tuple(interactions), tuple(changes)


def _possible_verb(state: State, chance: np.random.Generator) -> tuple[str, State]:
    """Return a verb that is possible in this state, and the state after it."""
    verb = str(chance.choice([verb for verb in VERBS if is_possible(verb, state)]))
    return verb, apply_verb(verb, state)


def _interaction(
    seconds: float,
    noun: str,
    index: int,
    verb: str,
    before: State,
    chance: np.random.Generator,
) -> Interaction:
    lead, tail = chance.uniform(0.6, 0.8, 2)
    return Interaction(
        seconds=seconds,
        start_seconds=round(seconds - lead, 2),
        stop_seconds=round(seconds + tail, 2),
        verb=verb,
        noun=noun,
        object_index=index,
        state_before=before,
        state_after=apply_verb(verb, before),
    )


def _reach(num_objects: int, times: list[float], chance: np.random.Generator) -> tuple[Reach, ...]:
    return tuple(
        Reach(seconds=seconds, object_index=int(chance.integers(num_objects))) for seconds in times
    )
