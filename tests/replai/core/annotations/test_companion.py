"""Lists beside an annotation file."""

from __future__ import annotations

from pathlib import Path

import pytest

from replai.core import storage
from replai.core.annotations.companion import companion


def test_the_first_that_is_there_in_the_folder_or_above(tmp_path: Path) -> None:
    (tmp_path / "v2").mkdir()
    for name in ("b.csv", "c.csv"):
        (tmp_path / name).touch()
    for url in (str(tmp_path / "actions.csv"), f"file://{tmp_path}/actions.csv"):
        assert companion(url, "a.csv", "b.csv", "c.csv") == str(tmp_path / "b.csv")
    assert companion(str(tmp_path / "v2" / "actions.csv"), "c.csv") is None
    found = companion(str(tmp_path / "v2" / "actions.csv"), "c.csv", above=True)
    assert found == str(tmp_path / "c.csv")


def test_the_query_of_a_web_address_is_no_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage, "exists", lambda url: True)
    url = "https://host/v2/annotations/actions.csv?credential=a/2026&signature=b"
    assert companion(url, "a.csv") == "https://host/v2/annotations/a.csv"
    assert companion(url, "a.csv", above=True) == "https://host/v2/a.csv"
