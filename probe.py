"""Probe a checkpoint: python probe.py --config configs/probe/X.yaml [key=value ...]

Freezes the video encoder, trains linear verb and noun heads on one dataset root and tests them on
another; a random encoder goes the same way beside it. Runs as one process, or as the ranks of
torchrun on one node, which share the reading and encoding.
"""

from __future__ import annotations

import argparse
import os

from replai.core.errors import exits_cleanly
from replai.stream.worker import fork_server


@exits_cleanly
def main() -> None:
    """parse → read, on all ranks → fit, on the first alone, for which nobody waits"""
    parser = argparse.ArgumentParser(description="Linear probe of a checkpoint's encoders.")
    parser.add_argument("--config", required=True, help="a YAML file of configs/probe/")
    parser.add_argument("overrides", nargs="*", help="key=value, as in checkpoint=URL")
    arguments = parser.parse_args()
    fork_server()  # the decode processes' imports run beside those that follow
    from replai.core.config import load_config
    from replai.evaluation.config import ProbeConfig
    from replai.evaluation.probe import probe_features, read_features, write_config
    from replai.report.probe import print_table, write_probe
    from replai.stream.loader import Share
    from replai.training.ranks import joined_ranks, refuse_several_nodes

    refuse_several_nodes(os.environ)
    config = load_config(ProbeConfig, arguments.config, arguments.overrides)
    with joined_ranks(config.rank_timeout_seconds) as ranks:
        share = Share(rank=ranks.rank, world_size=ranks.world_size)
        features = read_features(config, ranks.device, share, ranks.agree)
    if ranks.is_first:
        for outcomes in probe_features(features, config):  # what is found stays, come what may
            result = {name: outcome.to_fields() for name, outcome in outcomes.items()}
            write_probe(result, config.out)
            write_config(config)
        print_table(result, config.out)


if __name__ == "__main__":
    main()
