import fsspec.config
import pytest

from replai.core.obstore_reads import forget_client, obstore_filesystem
from replai.stream.request import S3Client, _client


@pytest.mark.parametrize(
    ("installed", "settings", "chosen"),
    [
        (True, {}, S3Client.obstore),
        (False, {}, S3Client.s3fs),
        (True, {"s3": {"anon": True}}, S3Client.s3fs),  # which obstore does not know
    ],
)
def test_obstore_reads_where_it_is_installed(
    monkeypatch: pytest.MonkeyPatch, installed: bool, settings: dict[str, object], chosen: S3Client
) -> None:
    monkeypatch.setattr("replai.stream.request.find_spec", lambda _name: installed or None)
    monkeypatch.setattr(fsspec.config, "conf", settings)
    monkeypatch.delenv("AWS_CA_BUNDLE", raising=False)
    assert S3Client.auto.chosen() is chosen


def test_a_store_with_certificates_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fsspec.config, "conf", {})
    monkeypatch.setenv("AWS_CA_BUNDLE", "/etc/our-ca.pem")
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    assert S3Client.auto.chosen() is S3Client.s3fs
    monkeypatch.setenv("SSL_CERT_FILE", "/etc/our-ca.pem")
    assert S3Client.auto.chosen() is S3Client.obstore


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


def test_a_path_with_an_empty_part_is_not_for_obstore() -> None:
    assert type(_client("s3://bucket/a//b.tar", S3Client.obstore)[0]).__name__ == "S3FileSystem"


def test_a_client_that_is_asked_for_is_taken() -> None:
    assert [one.chosen() for one in (S3Client.s3fs, S3Client.obstore)] == [
        S3Client.s3fs, S3Client.obstore,
    ]  # fmt: skip
