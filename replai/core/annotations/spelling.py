"""Names of verbs and nouns: what looks alike is one name."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable


def one_spelling(name: str) -> str:
    """`name` without space around it, as composed Unicode (NFC). Capitals stay."""
    return unicodedata.normalize("NFC", name.strip())


def capitals(names: Iterable[str]) -> dict[str, str]:
    """Each name that differs from an earlier one by capitals alone → that one."""
    first: dict[str, str] = {}
    earlier = {name: first.setdefault(name.casefold(), name) for name in names}
    return {name: other for name, other in earlier.items() if name != other}
