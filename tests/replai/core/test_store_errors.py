"""What stores say: in one line where it is theirs, untouched where it is a bug."""

from pathlib import Path

import pytest

from replai.core.errors import UserError
from replai.core.store_errors import naming_store_errors


class ClientError(Exception):
    pass


ClientError.__module__ = "botocore.exceptions"


class HttpError(Exception):
    """As gcsfs has it."""

    def __init__(self, code: int | str) -> None:
        super().__init__(f"said with {code}")
        self.code = code


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (HttpError("403"), r"access to s3://b/a was refused \(said with 403\)"),
        (HttpError(404), "no such file, folder or bucket: s3://b/a"),
        (HttpError(503), "store of s3://b/a does not answer: said with 503$"),
        (FileNotFoundError("x"), "no such file, folder or bucket: s3://b/a"),
        (PermissionError("Forbidden\nmore"), r"access to s3://b/a was refused \(Forbidden\)"),
        (TimeoutError(), "s3://b/a: TimeoutError"),
        (ClientError("no credentials\nmore"), "store of s3://b/a .*: no credentials$"),
    ],
)
def test_what_stores_say_is_one_line(error: Exception, message: str) -> None:
    with pytest.raises(UserError, match=message) as caught, naming_store_errors("s3://b/a"):
        raise error
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "error", [ValueError("bug"), TypeError("bug"), ImportError("bug"), HttpError("bug")]
)
def test_bugs_pass_through(error: Exception) -> None:
    with pytest.raises(type(error), match="bug"), naming_store_errors("s3://b/a"):
        raise error


def test_a_full_disk_is_named_with_its_remedy() -> None:
    """/dev/full answers as a full disk does."""
    told = "there: .*No space left.*; make room and run it again"
    with (
        pytest.raises(UserError, match=told),
        naming_store_errors("there"),
        Path("/dev/full").open("wb") as file,
    ):
        file.write(b"data")
