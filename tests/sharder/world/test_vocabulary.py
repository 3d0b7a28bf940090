"""Kin: kinds that share body and sound, and may have contrary gestures."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from sharder.world import NOUNS, VERBS, WorldSettings, render, settings_of
from sharder.world.ambience import ambience
from sharder.world.render import Scene
from sharder.world.script import Script, write_script
from sharder.world.signs import SHARED
from sharder.world.sound import impacts
from sharder.world.vocabulary import FIRST_OF_KIN, attribute_of, body_of, heard_as

SETTINGS = WorldSettings(
    duration_seconds=12.0, width=128, height=72, fps=16, num_train_videos=12, own_signs=1, kinship=1
)


def of_first_kin(script: Script) -> Script:
    """The same video, with the first of its pair in place of each kind."""

    def replaced(items: tuple) -> tuple:  # type: ignore[type-arg]
        return tuple(replace(item, noun=FIRST_OF_KIN[item.noun]) for item in items)

    return replace(
        script,
        objects=replaced(script.objects),
        interactions=replaced(script.interactions),
        offscreen=replaced(script.offscreen),
    )


def test_kinds_come_in_pairs() -> None:
    assert all(body_of(noun, 0) == noun for noun in NOUNS)
    assert sorted(Counter(body_of(noun, 1) for noun in NOUNS).values()) == [2, 2, 2, 2]


def test_kin_sound_alike_where_they_are_seen_and_elsewhere() -> None:
    settings = replace(SETTINGS, offscreen_per_minute=20.0, running_loudness=0.5)
    for index in range(6):
        script = write_script(settings, index)
        assert np.array_equal(impacts(script), impacts(of_first_kin(script)))
        assert np.array_equal(ambience(script), ambience(of_first_kin(script)))
    apart = write_script(replace(settings, kinship=0), 0)
    assert not np.array_equal(ambience(apart), ambience(of_first_kin(apart)))


def test_kin_look_alike_but_for_their_signs(monkeypatch: pytest.MonkeyPatch) -> None:
    script = write_script(SETTINGS, 0)
    assert any(FIRST_OF_KIN[item.noun] != item.noun for item in script.objects)
    painted, firsts = (Scene(one)._panorama for one in (script, of_first_kin(script)))
    assert not np.array_equal(painted, firsts)
    monkeypatch.setattr(render, "OWN", dict.fromkeys(NOUNS, SHARED))
    painted, firsts = (Scene(one)._panorama for one in (script, of_first_kin(script)))
    assert np.array_equal(painted, firsts)


def test_contrary_kin_sound_as_the_inverse_of_what_is_done() -> None:
    for verb in VERBS:
        assert heard_as(verb, "drum", 1, 0) == (verb, "box")
        assert heard_as(verb, "box", 1, 1) == (verb, "box")
        gesture, body = heard_as(verb, "drum", 1, 1)
        assert body == "box"
        assert gesture != verb
        assert attribute_of(gesture) == attribute_of(verb)
    same = []
    for index in range(SETTINGS.num_train_videos):
        plain, turned = (write_script(replace(SETTINGS, contrary=one), index) for one in (0, 1))
        firsts = all(FIRST_OF_KIN[one.noun] == one.noun for one in plain.interactions)
        same.append(np.array_equal(impacts(plain), impacts(turned)))
        assert same[-1] == firsts
    assert set(same) == {True, False}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (["kinship=1"], "nothing would tell kin apart"),
        (["own_signs=1", "contrary=1"], "no two kinds are kin"),
        (["own_signs=2"], "own_signs is 2, must be 0 or 1"),
        (["own_signs=0.5"], "must be a whole number"),
    ],
)
def test_switches_that_make_no_sense_are_refused(changes: list[str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        settings_of("easy", changes)
