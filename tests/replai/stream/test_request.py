import fsspec.config
import pytest

from replai.stream.request import S3Client


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
    assert S3Client.auto.chosen() is chosen


def test_a_client_that_is_asked_for_is_taken() -> None:
    assert [one.chosen() for one in (S3Client.s3fs, S3Client.obstore)] == [
        S3Client.s3fs, S3Client.obstore,
    ]  # fmt: skip
