"""The words of the audible world: what can be acted on, and what can be done to it.

Each object has four attributes, true or false. The verbs come in pairs: verb `2 * k` makes
attribute `k` true, verb `2 * k + 1` makes it false.
"""

from __future__ import annotations

VERBS = ("open", "close", "turn-on", "turn-off", "put", "take", "fill", "empty")
"""The state changes; the place in the tuple is the verb class."""

VERB_CATEGORIES = ("access", "access", "switch", "switch", "move", "move", "pour", "pour")

NOUNS = ("box", "drum", "jar", "pan", "kettle", "bell", "bowl", "bottle")
"""The kinds of object, told by shape and texture; the place in the tuple is the noun class."""

NOUN_CATEGORIES = (
    "containers",
    "instruments",
    "containers",
    "cookware",
    "cookware",
    "instruments",
    "crockery",
    "containers",
)

ATTRIBUTES = ("is_open", "is_on", "has_item", "is_full")
"""What an object's state says, in the order of the verb pairs."""

State = tuple[bool, bool, bool, bool]
"""One truth value for each of `ATTRIBUTES`."""


def attribute_of(verb: str) -> int:
    """Return the index into `ATTRIBUTES` of what the verb changes."""
    return VERBS.index(verb) // 2


def is_possible(verb: str, state: State) -> bool:
    """Return whether an object in this state can be acted on so (only a closed box opens)."""
    return state[attribute_of(verb)] is not _makes_true(verb)


def apply_verb(verb: str, state: State) -> State:
    """Return the state after the verb; raise ValueError where the verb is not possible."""
    if not is_possible(verb, state):
        raise ValueError(f"verb {verb!r} is not possible in state {state}")
    changed = list(state)
    changed[attribute_of(verb)] = _makes_true(verb)
    return (changed[0], changed[1], changed[2], changed[3])


def _makes_true(verb: str) -> bool:
    return VERBS.index(verb) % 2 == 0
