"""What stores say when a thing cannot be had, told apart and put into one line.

Their clients raise what they like; none of them is imported here.
"""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator
from contextlib import contextmanager

from replai.core.errors import CredentialsError, NotFoundError, RefusedError, UserError
from replai.core.urls import without_secrets

# An unknown scheme, a scheme whose client is not installed, a path that no system accepts.
_FSSPEC_COMPLAINTS = ("rotocol", "nstall", "null byte")
# First parts of the names of the modules that clients of stores raise their own errors from.
_CLIENTS = {"botocore", "aiobotocore", "aiohttp", "obstore", "gcsfs", "google", "azure"}
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_REFUSALS = {"PermissionDeniedError", "UnauthenticatedError"}  # of obstore
# S3 says this with status 400, which has no type of its own in obstore.
_EXPIRED = "<Code>ExpiredToken</Code>"
# S3 says these for a bucket of another region; botocore goes there by itself, obstore does not.
_ELSEWHERE = ("<Code>PermanentRedirect</Code>", "<Code>AuthorizationHeaderMalformed</Code>")
_REDIRECTED = "incorrectly configured region"  # obstore, where it does not hand on S3's words
_S3_ERROR = re.compile("<Code>(.*?)</Code>.*?<Message>(.*?)</Message>", re.DOTALL)


@contextmanager
def naming_store_errors(url: str) -> Iterator[None]:
    """Turns what a store says when a thing cannot be had into one line that names `url`."""
    name = without_secrets(url)
    try:
        yield
    except FileNotFoundError:
        raise NotFoundError(f"no such file, folder or bucket: {name}") from None
    except PermissionError as error:
        raise _refused(name, error) from None
    except OSError as error:
        remedy = "; make room and run it again" if error.errno in _NO_ROOM else ""
        raise UserError(f"{name}: {first_line(error)}{remedy}") from None
    except (ImportError, ValueError) as error:
        if not any(known in str(error) for known in _FSSPEC_COMPLAINTS):
            raise
        raise UserError(f"{name!r}: {first_line(error)}") from None
    except Exception as error:
        status = http_status(error)
        if status is None and not is_store_error(error):
            raise
        if is_elsewhere(error):
            raise UserError(
                f"the bucket of {name} is in another region; set AWS_DEFAULT_REGION to its own, or "
                "data.stream.s3_client=s3fs"
            ) from None
        if is_refusal(error):
            raise _refused(name, error) from None
        if status in (404, 410):
            raise NotFoundError(f"no such file, folder or bucket: {name}") from None
        raise UserError(f"the store of {name} does not answer: {first_line(error)}") from None


def http_status(error: BaseException) -> int | None:
    """The HTTP status that a store's client raised `error` for, if it says one.

    Clients differ in the name: `status` (aiohttp), `status_code` (Azure), `code` (gcsfs; as text).
    """
    for name in ("status", "status_code", "code"):
        value = getattr(error, name, None)
        if isinstance(value, int | str) and str(value).isdecimal() and 400 <= int(value) < 600:
            return int(value)
    return None


def is_store_error(error: BaseException) -> bool:
    """Whether a store's client has raised `error`; without importing those clients here."""
    return type(error).__module__.split(".")[0] in _CLIENTS


def is_refusal(error: BaseException) -> bool:
    """Whether a store's client says with `error` that credentials do not do, or no longer."""
    if http_status(error) in (401, 403) or type(error).__name__ in _REFUSALS:
        return True
    return is_store_error(error) and _EXPIRED in str(error)


def is_elsewhere(error: BaseException) -> bool:
    """Whether S3 says with `error` that the bucket is in another region than it was asked in."""
    return is_store_error(error) and any(
        words in str(error) for words in (*_ELSEWHERE, _REDIRECTED)
    )


def _refused(name: str, error: Exception) -> RefusedError:
    for_all = http_status(error) == 401 or "expired" in str(error).lower()
    return (CredentialsError if for_all else RefusedError)(
        f"access to {name} was refused ({first_line(error)}); check its permissions and "
        "the credentials in the environment or profile"
    )


def first_line(error: BaseException) -> str:
    """What `error` says, in one line without secrets."""
    if told := _S3_ERROR.search(str(error)):  # in the answer's XML, behind a page of obstore's own
        return ": ".join(" ".join(part.split()) for part in told.groups())
    return without_secrets((str(error).strip() or type(error).__name__).splitlines()[0])
