import fsspec.config
import pytest

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
    monkeypatch.setattr("replai.core.obstore_reads.find_spec", lambda _name: installed or None)
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


def test_a_path_with_an_empty_part_is_not_for_obstore() -> None:
    assert type(_client("s3://bucket/a//b.tar", S3Client.obstore)[0]).__name__ == "S3FileSystem"


def test_a_client_that_is_asked_for_is_taken() -> None:
    assert [one.chosen() for one in (S3Client.s3fs, S3Client.obstore)] == [
        S3Client.s3fs, S3Client.obstore,
    ]  # fmt: skip
