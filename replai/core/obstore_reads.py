"""Reads from S3 by obstore, a client in Rust: a quarter of the CPU of s3fs, and sooner imported.

Reads only, of samples (`data.stream.s3_client`) and of the index, where it is installed; all else
stays with s3fs. Credentials, endpoint and region are those that botocore finds, as with s3fs.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cache
from importlib.util import find_spec
from typing import Any

import fsspec.config

from replai.core.errors import UserError

ASKED_AGAIN = timedelta(minutes=5)
"""Credentials may have been renewed: botocore is asked so often."""
QUICK_SECONDS = 10.0
"""After which `read_quickly` gives up."""


def is_preferred() -> bool:
    """Whether obstore is installed and told as much as s3fs: not where fsspec has settings for S3,
    or botocore certificates; obstore knows those of SSL_CERT_FILE alone.
    """
    if fsspec.config.conf.get("s3") or find_spec("obstore") is None:
        return False
    certificates = _certificates(os.environ.get("AWS_PROFILE"), os.environ.get("AWS_CA_BUNDLE"))
    return not certificates or certificates == os.environ.get("SSL_CERT_FILE")


@cache
def _certificates(profile: str | None, bundle: str | None) -> str | None:
    """The file of certificates that botocore takes, by the environment or the profile's settings;
    of that environment."""
    from botocore.exceptions import BotoCoreError  # type: ignore[import-untyped]
    from botocore.session import Session  # type: ignore[import-untyped]

    try:
        found: str | None = bundle or Session(profile=profile).get_config_variable("ca_bundle")
    except BotoCoreError:  # no such profile, say: told where credentials are asked for
        return None
    return found


def can_read(url: str) -> bool:
    """Whether `url` is of S3, its path has no empty part, which obstore would leave out, and it
    begins with no ARN of an access point, which obstore takes for another scheme.
    """
    scheme, _, path = url.partition("://")
    return scheme in ("s3", "s3a") and "//" not in path and not path.startswith("arn:")


def read_quickly(url: str) -> bytes | None:
    """The whole file at `url`, without the half second that s3fs takes to be ready.

    None where `storage.read_bytes` is to be asked: for other stores, and for whatever goes wrong
    here. It tries again, and says what is the matter.
    """
    if not (can_read(url) and is_preferred()):
        return None
    try:
        fs, path = obstore_filesystem(url)
        data: bytes = fs.cat_file(path, timeout=QUICK_SECONDS)
        return data
    except Exception:
        return None


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
