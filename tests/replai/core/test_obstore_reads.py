"""What obstore reads, and what it leaves to s3fs."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import pytest
import s3fs

from replai.core import obstore_reads
from replai.core.errors import UserError
from replai.core.index import open_index
from replai.core.obstore_reads import (
    can_read,
    forget_client,
    is_preferred,
    obstore_filesystem,
    read_quickly,
)
from tools.seaweed import running_s3


@pytest.fixture(scope="module")
def root(small_root: Path) -> Iterator[str]:
    """The small dataset on an S3 server."""
    before = dict(os.environ)
    with running_s3() as server:
        os.environ.update(server.environment)
        forget_client()
        s3fs.S3FileSystem.clear_instance_cache()
        url = f"{server.make_bucket('quick')}/data"
        fsspec.filesystem("s3").put(f"{small_root}/", f"{url}/", recursive=True)
        yield url
    os.environ.clear()
    os.environ.update(before)
    s3fs.S3FileSystem.clear_instance_cache()
    forget_client()


@pytest.mark.parametrize(
    ("url", "can"),
    [
        ("s3://bucket/data/a.tar", True),
        ("s3a://bucket/a.tar", True),
        ("s3://bucket//a.tar", False),
        ("s3://arn:aws:s3:eu-west-1:123456789012:accesspoint/team/a.tar", False),
        ("https://host/a.tar", False),
        ("/data/a.tar", False),
    ],
)
def test_what_it_can_name(url: str, *, can: bool) -> None:
    assert can_read(url) == can


def test_a_dataset_on_s3_is_opened_without_s3fs(root: str) -> None:
    code = (
        "import sys\n"
        "from replai.core.index import open_index\n"
        f"print(open_index({root!r}).header.num_samples, 's3fs' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [str(open_index(root).header.num_samples), "False"]


@pytest.mark.parametrize("where", ["environment", "profile"])
def test_a_store_with_certificates_of_its_own_is_left_to_s3fs(
    where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_CA_BUNDLE", "SSL_CERT_FILE"):
        monkeypatch.delenv(name, raising=False)
    for profile, ours in ((f"{tmp_path.name}-1", False), (f"{tmp_path.name}-2", True)):
        bundle = "ca_bundle = /corp.pem" if where == "profile" and ours else ""
        (tmp_path / "config").write_text(f"[profile {profile}]\nregion = eu-west-1\n{bundle}\n")
        monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
        monkeypatch.setenv("AWS_PROFILE", profile)
        if where == "environment" and ours:
            monkeypatch.setenv("AWS_CA_BUNDLE", "/corp.pem")
        assert is_preferred() != ours
    monkeypatch.setenv("SSL_CERT_FILE", "/corp.pem")  # which obstore knows
    assert is_preferred()
    monkeypatch.setenv("AWS_PROFILE", "of-nobody")
    assert is_preferred(), "told where credentials are asked for"


def test_what_it_cannot_have_is_asked_of_s3fs(root: str, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = open_index(root)
    assert read_quickly(f"{root}/shards.json")
    assert read_quickly(f"{root}/none.json") is None
    assert read_quickly(f"{root}//shards.json") is None, "another key"
    with pytest.raises(UserError, match=r"no dataset at s3://quick/none: no such folder"):
        open_index("s3://quick/none")

    def broken(_url: str) -> Any:
        raise OSError("the line is down")

    monkeypatch.setattr(obstore_reads, "obstore_filesystem", broken)
    assert read_quickly(f"{root}/shards.json") is None
    assert open_index(root).header == expected.header


def test_files_here_are_read_as_ever(small_root: Path) -> None:
    assert read_quickly(f"{small_root}/shards.json") is None


@pytest.mark.parametrize(
    ("region", "endpoint", "asked"),
    [
        ("eu-west-1", "", None),
        ("cn-north-1", "", "https://s3.cn-north-1.amazonaws.com.cn"),
        ("eu-west-1", "https://bucket.vpce-1.s3.eu-west-1.vpce.amazonaws.com", "the same"),
    ],
)
def test_obstore_asks_where_botocore_would(
    monkeypatch: pytest.MonkeyPatch, region: str, endpoint: str, asked: str | None
) -> None:
    found = {}
    monkeypatch.setattr("obstore.fsspec.FsspecStore", lambda *_, **options: found.update(options))
    monkeypatch.setenv("AWS_DEFAULT_REGION", region)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    forget_client()
    obstore_filesystem("s3://bucket/a.tar")
    forget_client()
    assert found["config"]["region"] == region
    assert found["config"].get("endpoint") == (endpoint if asked == "the same" else asked)
