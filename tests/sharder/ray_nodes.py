"""Two Ray nodes on this machine, each with one CPU; the second can be killed, and stalls.

python -m tests.sharder.ray_nodes FOLDER      tells the address; `kill` on stdin kills the second
                                              node by SIGKILL, and the end of stdin ends the first
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any

from ray.cluster_utils import Cluster

from replai.core.timeline import Span
from replai.media.container import Media
from sharder.encode import TranscodeProfile
from sharder.encoded import EncodedSegment, Size

STALLED_IN = "TEST_STALLED_IN"
"""In the environment of the second node's workers: where they say that they stall."""
NODE: dict[str, Any] = {"num_cpus": 1, "object_store_memory": 100 * 10**6}


class Stalling(TranscodeProfile):
    """On the second node, never comes to the end of a shard that has a segment after 2 s."""

    def encode(self, media: Media, span: Span, size: Size | None = None) -> EncodedSegment:
        """See Profile."""
        if STALLED_IN in os.environ and span.start_seconds > 2:
            (Path(os.environ[STALLED_IN]) / f"stalled-{os.getpid()}").touch()
            time.sleep(600.0)
        return super().encode(media, span, size)


def main() -> None:
    """Entry point."""
    head = {**NODE, "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    os.environ[STALLED_IN] = sys.argv[1]
    second = cluster.add_node(**NODE)
    print(cluster.address, flush=True)
    if sys.stdin.readline() == "kill\n":
        raylet = second.all_processes["raylet"][0].process
        raylet.kill()
        raylet.wait()
        print("killed", flush=True)
        sys.stdin.readline()
    cluster.shutdown()


if __name__ == "__main__":
    main()
