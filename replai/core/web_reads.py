"""Ranged reads from web servers: what would be a whole file is refused before it is sent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from aiohttp import ClientResponse, ClientSession


class NoRangesError(Exception):
    """More was sent, or was to be sent, than the range that was asked for; says how much."""


async def ranges_client(**options: Any) -> ClientSession:
    """A client for fsspec's HTTP filesystem (its `get_client`) that takes no whole file for a
    range: it raises NoRangesError.
    """
    from aiohttp import ClientSession  # here: local datasets need no web client

    return ClientSession(**{**options, "raise_for_status": _refuse_whole_file})


async def _refuse_whole_file(response: ClientResponse) -> None:
    """Looks at an answer's head; a server that knows ranges gives one as 206 Partial Content."""
    if response.status == 200 and "Range" in response.request_info.headers:
        response.close()
        size = response.content_length
        raise NoRangesError("the whole file" if size is None else f"{size} bytes")
