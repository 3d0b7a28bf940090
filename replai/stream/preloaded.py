"""What the fork server imports and sets for all workers: once, rather than in each of them.

What is imported stays. Frozen, it is not searched for garbage: a search writes to every object,
and a worker would get its own copy of each page that it shares with the others.

Samples come and go, 300 kB each: workers keep the memory of those that are gone.
"""

from __future__ import annotations

import gc
from contextlib import suppress
from importlib import import_module
from importlib.util import find_spec

from replai.core.memory import keep_freed_memory

S3_MODULES = ("obstore.fsspec", "botocore.session") if find_spec("obstore") else ("s3fs",)
"""Of the clients of S3 the one that is read with unless a run says otherwise."""

keep_freed_memory()
gc.disable()
for module in ("replai.stream.pipeline", *S3_MODULES):
    with suppress(ImportError):  # who needs it will say so
        import_module(module)
gc.freeze()
gc.enable()
