"""What of a URL may be shown and kept: not the secrets that it may hold."""

from __future__ import annotations

import re

# Where a question mark is a letter like others in a file's name.
_NAMES = r"(?:s3a?|gc?s|file|local|memory)://"
_SCHEME = r"(?<![\w+.-])[a-z][\w+.-]*://"
_WEB = re.compile(rf"(?!{_NAMES}){_SCHEME}", re.IGNORECASE)
_QUERY = re.compile(rf"({_WEB.pattern}[^?\n'\"]*)\?[^\s'\"]+", re.IGNORECASE)
# Up to the last @ before the first slash; if what seems to be a port is none, up to the last @.
_USER = re.compile(rf"({_SCHEME})(?:[^\s/]*@|[^\s/:\[]*:(?!\d*[/?#])\S*@)", re.IGNORECASE)


def without_secrets(text: str) -> str:
    """`text` whose URLs show neither user information (names, passwords, tokens before a host's @)
    nor queries (signatures, tokens); `…` stands for them.
    """
    return _QUERY.sub(r"\1?…", _USER.sub(r"\1…@", text))


def without_query(url: str) -> str:
    """`url` without its query, which may hold slashes and a signature, if it may have one."""
    return url.partition("?")[0] if _WEB.match(url) else url
