"""Lists beside an annotation file."""

from __future__ import annotations

from pathlib import Path

import pytest

from replai.core import storage
from replai.core.annotations.companion import companions
from replai.core.errors import RefusedError, UserError


def test_the_first_that_is_there_in_the_folder_or_above(tmp_path: Path) -> None:
    (tmp_path / "v2").mkdir()
    for name in ("b.csv", "c.csv"):
        (tmp_path / name).touch()
    found = (str(tmp_path / "b.csv"), str(tmp_path / "c.csv"))
    for url in (str(tmp_path / "actions.csv"), f"file://{tmp_path}/actions.csv"):
        assert companions(url, ("a.csv", "b.csv", "c.csv"), ("c.csv",)) == found
    below = str(tmp_path / "v2" / "actions.csv")
    assert companions(below, ("c.csv",), ("c.csv", "../c.csv")) == (None, found[1])


def test_the_query_of_a_web_address_is_no_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage, "exists", lambda url: True)
    url = "https://host/v2/annotations/actions.csv?credential=a/2026&signature=b"
    found = ("https://host/v2/annotations/a.csv", "https://host/v2/a.csv")
    assert companions(url, ("a.csv",), ("../a.csv",)) == found


class Forbidding:
    """A store whose objects may be read and not listed: of a missing key it says 403."""

    def invalidate_cache(self) -> None: ...

    def exists(self, path: str) -> bool:
        if not path.endswith("there.csv"):
            raise PermissionError("Forbidden")
        return True


def test_what_a_store_refuses_is_not_there_and_is_said_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(storage, "filesystem", lambda url: (Forbidding(), url))
    with pytest.raises(RefusedError, match=r"^access to s3://b/l/no\.csv was refused"):
        storage.exists("s3://b/l/no.csv")
    found = companions("s3://b/l/actions.csv", ("no.csv", "there.csv"), ("nor.csv", "../nor.csv"))
    assert found == ("s3://b/l/there.csv", None)
    assert capsys.readouterr().err == (
        "beside s3://b/l/actions.csv the store refuses no.csv, nor.csv: taken as not there\n"
    )


def test_other_troubles_of_a_store_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    def away(url: str) -> bool:
        raise UserError(f"the store of {url} does not answer")

    monkeypatch.setattr(storage, "exists", away)
    with pytest.raises(UserError, match="does not answer"):
        companions("s3://b/l/actions.csv", ("a.csv",))
