"""Which files of a folder are sources: behind links, each folder once, nothing hidden."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from replai.core import storage
from sharder.visible import list_visible


def refuse(path: str, error: OSError) -> None:
    raise AssertionError(f"{path}: {error}")


class Listing:
    """What `os.scandir` gives, of entries given."""

    def __init__(self, entries: list[os.DirEntry[str]]) -> None:
        self._entries = iter(entries)

    def __enter__(self) -> Iterator[os.DirEntry[str]]:
        return self._entries

    def __exit__(self, *_: object) -> None:
        pass

    def __next__(self) -> os.DirEntry[str]:
        return next(self._entries)


@pytest.mark.parametrize("backwards", [False, True])
def test_links_to_folders_are_followed_for_reading_alone(
    backwards: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where participants lie on several disks. Each folder comes once, under its own name if it
    has one here, whatever order the disk lists them in; a link back up is no circle."""
    files = ("disk/a.mp4", "videos/P02/b.mp4", "videos/.disk2/P03/c.mp4", "videos/d.mp4")
    for name in files:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    videos = tmp_path / "videos"
    for name, target in {
        "P01": tmp_path / "disk", "P03": videos / ".disk2" / "P03", ".cache": videos / "P02",
        "A": videos / "P02", "Z": videos / "P02", "P01/up": videos, "gone": videos / "nowhere",
    }.items():  # fmt: skip
        (videos / name).symlink_to(target)
    real = os.scandir

    def scandir(path: str) -> Listing:
        return Listing(sorted(real(path), key=lambda entry: entry.name, reverse=backwards))

    monkeypatch.setattr(os, "scandir", scandir)
    expected = ["P01/a.mp4", "P02/b.mp4", "P03/c.mp4", "d.mp4", "gone"]
    assert list_visible(str(videos), refuse) == [f"{videos}/{name}" for name in expected]
    assert not [name for name in storage.list_names(str(videos)) if name.endswith("a.mp4")]
    assert not [path for path in storage.list_files(str(videos)) if path.endswith("a.mp4")]


@pytest.fixture
def videos(tmp_path: Path) -> Path:
    """A folder with a video in each of P01 and P02."""
    for name in ("P01", "P02"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.mp4").touch()
    return tmp_path


def test_a_folder_that_goes_while_it_is_listed_is_passed_over(
    videos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.scandir

    def scandir(path: str) -> Listing:
        entries = list(real(path))
        if path.endswith("P01"):
            (Path(path) / "a.mp4").unlink()
            Path(path).rmdir()
        return Listing(entries)

    monkeypatch.setattr(os, "scandir", scandir)
    assert list_visible(str(videos), refuse) == [f"{videos}/P02/a.mp4"]


def test_folders_that_cannot_be_listed_are_told(
    videos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.scandir

    def scandir(path: str) -> object:
        if path.endswith("P01"):
            raise PermissionError(errno.EACCES, "Permission denied", path)
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)  # root may read what it likes
    told: list[tuple[str, str]] = []
    found = list_visible(str(videos), lambda path, why: told.append((path, str(why))))
    assert found == [f"{videos}/P02/a.mp4"]
    assert [path for path, _ in told] == [f"{videos}/P01"] and "denied" in told[0][1]
