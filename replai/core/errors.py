"""The kinds of trouble: the user's input, one bad sample, a lost process, bugs (all the rest)."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from replai.core.urls import without_secrets

P = ParamSpec("P")
R = TypeVar("R")

EXIT_BAD_INPUT = 2
EXIT_INTERRUPTED = 130
EXIT_LOST_PEER = 75  # EX_TEMPFAIL of sysexits.h: nothing is wrong here, start it again


class UserError(Exception):
    """Bad input: one line that names the thing and the remedy. Commands print it and exit 2."""


class NotFoundError(UserError):
    """Nothing stands at a path or URL."""


class RefusedError(UserError):
    """A store does not let us have what stands at a URL, or hear whether anything does."""


class CredentialsError(RefusedError):
    """It would refuse anything else, too: credentials are missing, or have expired."""


class PeerLostError(Exception):
    """Another process of the run is gone, or does not answer: a rank, or a decode process.

    Commands print one line and exit 75.
    """


class SampleError(Exception):
    """One sample cannot be had: its bytes are damaged, or do not parse or decode."""


def exits_cleanly(command: Callable[P, R]) -> Callable[P, R]:
    """`command`, with one line on stderr and exit code 2 for UserError, 130 for Ctrl-C, 75 for
    PeerLostError."""

    @functools.wraps(command)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return command(*args, **kwargs)
        except UserError as error:
            print(f"error: {without_secrets(str(error))}", file=sys.stderr, flush=True)
            raise SystemExit(EXIT_BAD_INPUT) from None
        except PeerLostError as error:
            print(f"stopped: {without_secrets(str(error))}", file=sys.stderr, flush=True)
            raise SystemExit(EXIT_LOST_PEER) from None
        except KeyboardInterrupt:
            print("interrupted", file=sys.stderr, flush=True)
            raise SystemExit(EXIT_INTERRUPTED) from None

    return wrapped
