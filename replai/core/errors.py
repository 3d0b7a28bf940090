"""The three kinds of trouble: the user's input, one bad sample, and bugs (everything else)."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")

EXIT_BAD_INPUT = 2
EXIT_INTERRUPTED = 130


class UserError(Exception):
    """Bad input: one line that names the thing and the remedy. Commands print it and exit 2."""


class SampleError(Exception):
    """One sample cannot be had: its bytes are damaged, or do not parse or decode."""


def exits_cleanly(command: Callable[P, R]) -> Callable[P, R]:
    """`command`, with UserError as one line on stderr and exit code 2, Ctrl-C as exit code 130."""

    @functools.wraps(command)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return command(*args, **kwargs)
        except UserError as error:
            print(f"error: {error}", file=sys.stderr, flush=True)
            raise SystemExit(EXIT_BAD_INPUT) from None
        except KeyboardInterrupt:
            print("interrupted", file=sys.stderr, flush=True)
            raise SystemExit(EXIT_INTERRUPTED) from None

    return wrapped
