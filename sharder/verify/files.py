"""The files below a root: which are there, and the bytes of the small ones."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress

from replai.core import storage
from replai.core.errors import RefusedError, UserError
from replai.core.index import HEADER_NAME, INDEX_NAME
from sharder.job import JOB_NAME
from sharder.verify.faults import Fault, Kind

SHARDS_FOLDER = "shards/"


class RootFiles:
    """The files of the dataset root at a URL."""

    def __init__(self, url: str) -> None:
        """Lists them. Raises UserError if there is no dataset at `url`."""
        self._url = url
        self._names = _names(url)
        self.faults: list[Fault] = []
        """Of the files that were to be read, and could not be."""

    @property
    def growing(self) -> bool:
        """Whether a pack is adding to the root, or has broken off."""
        if self._names is None:
            with suppress(RefusedError):  # as some web servers say of what is not there
                return storage.exists(storage.join(self._url, JOB_NAME))
            return False
        return {HEADER_NAME, JOB_NAME} <= self._names

    def has(self, name: str) -> bool:
        """Whether the file is there; a store that does not list is taken to have all."""
        return self._names is None or name in self._names

    def read(self, name: str) -> bytes | None:
        """The bytes of a file; None, and a fault more, if they cannot be had."""
        if not self.has(name):
            self.faults.append(missing(name))
            return None
        try:
            return storage.read_bytes(storage.join(self._url, name))
        except UserError as error:
            self.faults.append(unreadable(name, error))
            return None

    def unlisted(self, listed: Iterable[str]) -> list[Fault]:
        """A fault for each file among the shards that is none of `listed`."""
        found = {name for name in self._names or () if name.startswith(SHARDS_FOLDER)}
        return [
            Fault(kind=Kind.UNLISTED, file=name, expected="no such file", found="one")
            for name in sorted(found - set(listed))
        ]


def missing(name: str) -> Fault:
    """That the file `name` is not there."""
    return Fault(kind=Kind.MISSING, file=name, expected="the file", found="none")


def unreadable(name: str, error: UserError) -> Fault:
    """That the store does not give the file `name`."""
    expected = "a file that can be read"
    return Fault(kind=Kind.UNREADABLE, file=name, expected=expected, found=str(error))


def _names(url: str) -> frozenset[str] | None:
    """Paths below `url`; None where the store, as a plain web server, lists none."""
    if storage.is_folder(url):
        names = frozenset(storage.list_names(url))
        if names & {HEADER_NAME, INDEX_NAME} or any(n.startswith(SHARDS_FOLDER) for n in names):
            return names
    if storage.exists(storage.join(url, HEADER_NAME)):
        return None
    if storage.is_folder(url):
        raise UserError(
            f"{url} is no dataset: it has neither {HEADER_NAME} nor {INDEX_NAME} nor shards; "
            "give the root that `sharder pack` made"
        )
    raise UserError(f"no dataset at {url}: no such folder or bucket")
