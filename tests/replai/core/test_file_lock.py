"""A file that one process at a time holds."""

import os
from pathlib import Path

import pytest

from replai.core.file_lock import HeldError, hold, is_at


def test_one_at_a_time_which_says_who_it_is(tmp_path: Path) -> None:
    path = tmp_path / "made" / "lock"
    with hold(path), pytest.raises(HeldError, match=f"process {os.getpid()} on "):
        hold(path)
    hold(path).close()


def test_a_file_that_was_removed_holds_nothing(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with hold(path) as old:
        path.unlink()
        assert not is_at(old, path)
        with hold(path) as new:
            assert is_at(new, path) and not is_at(old, path)


def test_a_folder_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/no/such/folder")
    for folder in (tmp_path / "link", Path("/proc/lock")):
        with pytest.raises(OSError, match=str(folder)):
            hold(folder / "lock")
