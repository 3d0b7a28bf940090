"""URLs as they are shown: what may be a secret is not."""

from __future__ import annotations

import pytest

from replai.core import storage
from replai.core.annotations.labels import file_name
from replai.core.errors import UserError, exits_cleanly
from replai.core.progress import console
from replai.core.urls import without_query, without_secrets

HIDDEN = {
    "https://TOKEN@host/a.mp4": "https://…@host/a.mp4",
    "HTTPS://host/a?sig=abc": "HTTPS://host/a?…",
    "https://host/my video.mp4?sig=a/b": "https://host/my video.mp4?…",
    "https://host/it's a.mp4?sig=abc": "https://host/it's a.mp4?…",
    "abfs://account/a.mp4?sig=abc": "abfs://account/a.mp4?…",
    "hf://datasets/me/a.mp4?token=abc": "hf://datasets/me/a.mp4?…",
    "abfs://me:pw@account/a.mp4": "abfs://…@account/a.mp4",
    "wasbs://c:a@b:pw@account/a.mp4": "wasbs://…@account/a.mp4",
    "https://proxy/s3://b/my a,b.mp4?sig=abc": "https://proxy/s3://b/my a,b.mp4?…",
    "s3://arn:pw@bucket/a.mp4": "s3://…@bucket/a.mp4",
    "s3://AKIA:ab/cd@bucket": "s3://…@bucket",
    "s3://AKIA:ab/cd@bucket/x/a.mp4": "s3://…@bucket/x/a.mp4",
    "ftp://user:p@ss@host/v": "ftp://…@host/v",
    "sftp://me:1234@host": "sftp://…@host",
    "--out=http://me:pw@host:8080/a@b?c@d": "--out=http://…@host:8080/a@b?…",
}
SHOWN = (
    "s3://bucket/a@b.mp4", "s3://bucket/what? a@b?c.mp4", "S3://bucket/a?b", "gs://b/a?b",
    "/home/me@work/a?b.mp4", "a@b.mp4", "file:///videos/a@b?c.mp4", "http://host:8080/a@b.mp4",
    "memory://a?b", "http://[::1]:8080/a@b.mp4", "no such http://host/a.mp4; did you mean 'b'?",
    "az://videos@account/a.mp4", "abfs://videos@account.dfs.core.windows.net/v@w/a.mp4", "wasbs://videos@account:443/a@b.mp4",
    "s3://arn:aws:s3:us-west-2:123:accesspoint/ap/me@home/a.mp4",
    "s3://arn:aws-cn:s3:cn-north-1:123:accesspoint/ap/me@home/a.mp4",
    "two have it: https://h/my a.mp4 and /data/what?now/a.mp4; rename one",
    "data.mix=[{root:http://h/a,weight:3},{root:s3://b/x?y}]",
)  # fmt: skip


@pytest.mark.parametrize("url", HIDDEN)
def test_secrets_are_hidden(url: str) -> None:
    shown = HIDDEN[url]
    assert without_secrets(url) == shown == without_secrets(shown)
    told = f"the store of {url} does not answer: url='{url}', at s3://bucket/a@b.mp4"
    assert without_secrets(told) == told.replace(url, shown)


@pytest.mark.parametrize("text", SHOWN)
def test_all_else_is_shown(text: str) -> None:
    assert without_secrets(text) == text


def test_a_query_is_no_part_of_a_name() -> None:
    assert file_name("HTTPS://host/v/a.csv?sig=x/y") == file_name("abfs://c/a.csv?sig=z") == "a.csv"
    for name in ("/v/a?b.csv", "s3://bucket/a?b.csv"):
        assert without_query(name) == name


def test_what_commands_say_has_no_secrets(capsys: pytest.CaptureFixture[str]) -> None:
    url = "nonsense://me:SECRET@host/a?sig=SECRET"
    with pytest.raises(UserError, match="nonsense") as caught:
        storage.read_bytes(url)
    assert "SECRET" not in str(caught.value)
    console.print(f"skipped {url}")

    @exits_cleanly
    def fail() -> None:
        raise UserError(f"{url} is no dataset")

    with pytest.raises(SystemExit):
        fail()
    said = capsys.readouterr().err
    assert said.count("nonsense://…@host/a?…") == 2 and "SECRET" not in said
