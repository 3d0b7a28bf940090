"""The fork server: it imports what worker processes need once, and forks them."""

from __future__ import annotations

import multiprocessing
import tempfile
from collections.abc import Sequence
from multiprocessing import forkserver
from multiprocessing.context import ForkServerContext

from replai.core.errors import UserError


def running_fork_server(modules: Sequence[str]) -> ForkServerContext:
    """The context to start workers from: a server that has imported `modules`, if this is the first
    call. Raises UserError where its socket, in the temporary folder, would have too long a path.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(modules))
    try:
        forkserver.ensure_running()
    except OSError as error:
        if "AF_UNIX path too long" not in str(error):
            raise
        raise UserError(
            f"{tempfile.gettempdir()} is too long a path for the sockets of worker processes (107 "
            "letters in all, 32 of them theirs); set TMPDIR to a shorter one"
        ) from None
    return context
