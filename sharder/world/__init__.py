"""An audible world: made-up first-person videos with sound and with the truth about them.

A hand opens, fills, switches and loads objects on a table; each contact rings. The kind of
object (noun) is seen in its shape and texture and heard in its timbre; what was done (verb) is
seen only in the change from before to after, and heard in the sound that follows the contact.
What makes it hard is in difficulty.py; docs/world.md has pictures.
"""

from sharder.world.difficulty import LEVELS
from sharder.world.settings import WorldSettings, settings_of
from sharder.world.vocabulary import NOUNS, VERBS
from sharder.world.writer import WorldSummary, write_world

__all__ = [
    "LEVELS",
    "NOUNS",
    "VERBS",
    "WorldSettings",
    "WorldSummary",
    "settings_of",
    "write_world",
]
