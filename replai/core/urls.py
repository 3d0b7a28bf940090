"""What of a URL may be shown and kept: not the secrets that it may hold."""

from __future__ import annotations

import re

# Where a question mark is a letter like others in a file's name.
_NAMES = r"(?:s3a?|gc?s|file|local|memory)://"
_SCHEME = r"(?<![\w+.-])[a-z][\w+.-]*://"
_WEB = re.compile(rf"(?!{_NAMES}){_SCHEME}", re.IGNORECASE)
# A name before a query may hold spaces, but behind one no other path or URL of the same message.
_NEXT = r"(?:\s/|(?<![\w+./-])[a-z][\w+.-]*://)"
_APOSTROPHE = r"(?:['\"](?![\s:;,)]|$))"  # else it ends a quoted URL
_NAME = rf"(?:(?!{_NEXT})(?:[^?\n'\"]|{_APOSTROPHE}))*"
_QUERY = re.compile(rf"({_WEB.pattern}{_NAME})\?[^\s'\"]+", re.IGNORECASE)
# Azure's are named container@account: no secret, if there is no password.
_CONTAINERS = "".join(rf"(?<!\b{name}://)" for name in ("az", "abfs", "abfss", "wasb", "wasbs"))
# Up to the last @ before the first slash; if what seems to be a port is none, up to the last @:
# but the colons of Amazon's names (arn:aws:s3:...) are none of a password.
_USER = re.compile(
    rf"({_SCHEME})(?:{_CONTAINERS}[^\s/]*@|(?!arn:aws[\w-]*:)[^\s/:\[]*:(?!\d*[/?#])\S*@)",
    re.IGNORECASE,
)


def without_secrets(text: str) -> str:
    """`text` whose URLs show neither user information (names, passwords, tokens before a host's @)
    nor queries (signatures, tokens); `…` stands for them.
    """
    return _QUERY.sub(r"\1?…", _USER.sub(r"\1…@", text))


def without_query(url: str) -> str:
    """`url` without its query, which may hold slashes and a signature, if it may have one."""
    return url.partition("?")[0] if _WEB.match(url) else url
