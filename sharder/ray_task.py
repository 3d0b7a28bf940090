"""What runs in a worker of Ray: one input, by the very code that the command itself has."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TypeVar

import av
import ray

import replai.core
import replai.media
import sharder
from replai.core.errors import NotFoundError, UserError

A = TypeVar("A")
B = TypeVar("B")


@dataclass(frozen=True)
class Home:
    """The process that gives out the work."""

    node_id: str
    versions: dict[str, str]


def work(function: Callable[[A], B], item: A, home: Home) -> B:
    """`function(item)`. Raises UserError if this node has other code, or sees other files."""
    _refuse_other_versions(home.versions)
    try:
        return function(item)
    except UserError as error:
        if ray.get_runtime_context().get_node_id() == home.node_id:
            raise
        share = isinstance(error, NotFoundError)
        remedy = "; give URLs, or folders that all nodes share" if share else ""
        raise UserError(f"{error} (on node {_node()}{remedy})") from None


@cache
def versions() -> dict[str, str]:
    """What the bytes of a shard depend on: sharder's code, and the libraries that encode."""
    code = hashlib.sha256()
    for package in (sharder, replai.core, replai.media):
        for path in sorted(Path(package.__path__[0]).rglob("*.py")):
            code.update(path.read_bytes())
    libraries = {name: ".".join(map(str, one)) for name, one in av.library_versions.items()}
    return {"sharder": code.hexdigest()[:12], "PyAV": av.__version__, **libraries}


def _refuse_other_versions(ours: dict[str, str]) -> None:
    """Raises UserError where a shard made here might differ from one made elsewhere."""
    for name, here in versions().items():
        if here != ours.get(name):
            raise UserError(
                f"node {_node()} has {name} {here}, the command has {ours.get(name)}; install the "
                "same versions on every node"
            )


def _node() -> str:
    return str(ray.util.get_node_ip_address())
