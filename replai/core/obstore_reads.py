"""Ranged reads from S3 by obstore, a client in Rust that takes a quarter of the CPU of s3fs.

Reads only, and only those of the stream, where it is installed (`data.stream.s3_client`); all else
stays with s3fs. Credentials, endpoint and region are those that botocore finds, as with s3fs.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from replai.core.errors import UserError

ASKED_AGAIN = timedelta(minutes=5)
"""Credentials may have been renewed: botocore is asked so often."""


def obstore_filesystem(url: str) -> tuple[Any, str]:
    """(fsspec filesystem of obstore, path on it) of an s3:// `url`; it tries each request once.

    Raises UserError without obstore or without credentials.
    """
    return _filesystem(), url.partition("://")[2]


def forget_client() -> None:
    """Has the next read look anew for credentials and endpoint."""
    _filesystem.cache_clear()


@cache
def _filesystem() -> Any:
    try:
        from obstore.fsspec import FsspecStore
    except ImportError:
        raise UserError("s3_client=obstore needs obstore: pip install obstore") from None
    import botocore.session  # type: ignore[import-untyped]

    session = botocore.session.Session()
    client = session.create_client("s3")
    endpoint, region = client.meta.endpoint_url, client.meta.region_name
    config: dict[str, Any] = {"region": region}
    if endpoint not in ("https://s3.amazonaws.com", f"https://s3.{region}.amazonaws.com"):
        config |= {"endpoint": endpoint, "virtual_hosted_style_request": False}
    make: Any = FsspecStore  # its stubs want literals where botocore gives strings
    return make(
        "s3",
        config=config,
        # Deadlines and further attempts are the reader's.
        client_options={"allow_http": endpoint.startswith("http://"), "timeout": "1h"},
        retry_config={"max_retries": 0},
        credential_provider=_credentials_of(session),
        skip_instance_cache=True,
    )


def _credentials_of(session: Any) -> Callable[[], dict[str, Any]]:
    credentials = session.get_credentials()
    if credentials is None:
        raise UserError("no credentials for S3 in the environment or profile")

    def current() -> dict[str, Any]:
        frozen = credentials.get_frozen_credentials()
        return {
            "access_key_id": frozen.access_key,
            "secret_access_key": frozen.secret_key,
            "token": frozen.token,
            "expires_at": datetime.now(UTC) + ASKED_AGAIN,
        }

    return current
